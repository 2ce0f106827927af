"""A state dict as one run of bytes and a table of what stands in it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from compression.core.errors import ArtifactError, InputError
from compression.storage.registry import encode_smallest, get_allowed, get_codec

# NumPy has no bfloat16: its bits are stored as those of an int16.
DTYPES: dict[torch.dtype, np.dtype] = {
    torch.float32: np.dtype(np.float32),
    torch.float16: np.dtype(np.float16),
    torch.bfloat16: np.dtype(np.int16),
    torch.float64: np.dtype(np.float64),
    torch.int8: np.dtype(np.int8),
    torch.uint8: np.dtype(np.uint8),
    torch.int16: np.dtype(np.int16),
    torch.int32: np.dtype(np.int32),
    torch.int64: np.dtype(np.int64),
    torch.bool: np.dtype(np.bool_),
}
DTYPE_NAMES = {str(dtype).removeprefix("torch."): dtype for dtype in DTYPES}
MAX_NUMEL = 1 << 40


@dataclass(frozen=True)
class TensorRecord:
    """One row of the table: how a tensor is stored, and in how many bytes."""

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    codec: str
    num_bytes: int

    @property
    def numel(self) -> int:
        """The number of values."""
        return math.prod(self.shape)


def pack_tensors(state: Mapping[str, Tensor], *, codec: str) -> tuple[list[TensorRecord], bytes]:
    """Return table and payload; ``codec`` is the name of one, or ``auto`` for the smallest per tensor.

    Every value comes back equal, and bit for bit but for -0.0, which is stored as 0.0. Raises InputError for
    an unknown codec and for what is no plain tensor.
    """
    allowed = get_allowed(codec)
    records, parts = [], []
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.dtype not in DTYPES or tensor.layout != torch.strided:
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise InputError(f"{name} ({kind}) cannot be stored; allowed: dense {', '.join(DTYPE_NAMES)}")
        chosen, data = encode_smallest(_to_numpy(tensor), allowed=allowed)
        records.append(TensorRecord(name, tuple(tensor.shape), tensor.dtype, chosen, len(data)))
        parts.append(data)
    return records, b"".join(parts)


def unpack_tensors(records: Sequence[TensorRecord], *, payload: bytes) -> dict[str, Tensor]:
    """Return the tensors on the CPU; raises ArtifactError naming the one that cannot be decoded."""
    state = {}
    view, start = memoryview(payload), 0
    for record in records:
        data = bytes(view[start : start + record.num_bytes])
        start += record.num_bytes
        try:
            array = get_codec(record.codec).decode(data, shape=record.shape, dtype=DTYPES[record.dtype])
        except ArtifactError as error:
            raise ArtifactError(f"tensor {record.name}: {error}") from error
        state[record.name] = torch.from_numpy(array).view(record.dtype)
    return state


def table_to_json(records: Sequence[TensorRecord]) -> list[list[Any]]:
    """Return the table as a header holds it: name, shape, dtype, codec, bytes."""
    return [
        [row.name, list(row.shape), str(row.dtype).removeprefix("torch."), row.codec, row.num_bytes] for row in records
    ]


def table_from_json(rows: Any, *, payload_bytes: int) -> list[TensorRecord]:
    """Return the table of a header; raises ArtifactError unless it is well formed and covers the payload."""
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise ArtifactError("damaged: its table of tensors cannot be read")
    records = [
        TensorRecord(name, tuple(shape), DTYPE_NAMES[dtype], codec, num_bytes)
        for name, shape, dtype, codec, num_bytes in rows
    ]
    if len({record.name for record in records}) != len(records):
        raise ArtifactError("damaged: its table names a tensor twice")
    if sum(record.num_bytes for record in records) != payload_bytes:
        raise ArtifactError(f"damaged: its tensors are not {payload_bytes} bytes together")
    return records


def _is_row(row: Any) -> bool:
    if not isinstance(row, list) or [type(cell) for cell in row] != [str, list, str, str, int]:
        return False
    _, shape, dtype, _, num_bytes = row
    return (
        len(shape) <= 8
        and all(type(size) is int and 0 <= size <= MAX_NUMEL for size in shape)
        and math.prod(shape) <= MAX_NUMEL
        and dtype in DTYPE_NAMES
        and num_bytes >= 0
    )


def _to_numpy(tensor: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    tensor = tensor.detach().cpu().contiguous()
    if tensor.is_floating_point():
        # Weights pruned by multiplication are -0.0 where they were negative: no codec would see the zero.
        tensor = tensor.masked_fill(tensor == 0, 0.0)
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()

"""A state dict as blocks of bytes, with a table that describes each block.

A tensor with two or more dimensions is one block. Vectors and scalars (scales, biases, statistics) are too short to be
coded one by one. All of them that share a role (the last part of their names) and a type are coded as one array.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from msgspec import Meta, Struct
from torch import Tensor

from compression.core.errors import ArtifactError, InputError
from compression.core.json_record import Count, convert_record
from compression.storage.codec import Parts
from compression.storage.codec_registry import encode_smallest, get_allowed, get_codec

# NumPy has no bfloat16, so the bits of a bfloat16 are stored as an int16.
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
# A few bytes can encode a billion zeros. This limit keeps a small hostile file from filling the memory.
MAX_DECODED_BYTES = 512 << 20

_Size = Annotated[int, Meta(ge=0, le=MAX_NUMEL)]


class _Table(Struct, forbid_unknown_fields=True):
    roles: list[str]
    dtypes: list[str]
    codecs: list[str]
    bytes: list[Annotated[int, Meta(ge=0)]]
    counts: list[Count]
    owners: list[str]
    shapes: list[Annotated[tuple[_Size, ...], Meta(max_length=8)]]

    def __post_init__(self) -> None:
        """Raise ValueError if columns do not fit each other, or a tensor has too many values."""
        if len({len(self.roles), len(self.dtypes), len(self.codecs), len(self.bytes), len(self.counts)}) > 1:
            raise ValueError("its columns of blocks are not equally long")
        if not sum(self.counts) == len(self.owners) == len(self.shapes):
            raise ValueError(f"counts of {sum(self.counts)} tensors: must be as many as owners and shapes")
        if unknown := set(self.dtypes) - set(DTYPE_NAMES):
            raise ValueError(f"dtypes={min(unknown)!r:.80}: must be of {', '.join(DTYPE_NAMES)}")
        if not all(math.prod(shape) <= MAX_NUMEL for shape in self.shapes):
            raise ValueError(f"shapes: must have at most {MAX_NUMEL} values each")


@dataclass(frozen=True)
class Block:
    """Tensors with one ``role`` and type that are coded as one array; they are named OWNER.role for each owner."""

    role: str
    owners: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtype: torch.dtype
    codec: str
    num_bytes: int

    @property
    def names(self) -> tuple[str, ...]:
        """The full names of the tensors, in the order in which they are coded."""
        return tuple(f"{owner}.{self.role}" if owner else self.role for owner in self.owners)

    @property
    def numel(self) -> int:
        """The number of values in all tensors of the block."""
        return sum(map(math.prod, self.shapes))

    @property
    def decoded_bytes(self) -> int:
        """The memory of the decoded values, in bytes."""
        return self.numel * DTYPES[self.dtype].itemsize

    @property
    def working_bytes(self) -> int:
        """An upper bound of the extra memory while decoding, in bytes; raises ArtifactError for an unknown codec."""
        try:
            return get_codec(self.codec).working_bytes * self.numel
        except ArtifactError as error:
            raise ArtifactError(f"tensor {self.names[0]}: {error}") from error

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the coded array: that of a single tensor, or ``[N]`` for several tensors in sequence."""
        return self.shapes[0] if len(self.shapes) == 1 else (self.numel,)

    def decode(self, data: bytes) -> dict[str, Tensor]:
        """Return the tensors by name, on the CPU; raises ArtifactError that names the first tensor of the block."""
        try:
            array = get_codec(self.codec).decode(data, shape=self.shape, dtype=DTYPES[self.dtype])
        except ArtifactError as error:
            raise ArtifactError(f"tensor {self.names[0]}: {error}") from error
        values = torch.from_numpy(array).view(self.dtype)
        if len(self.shapes) == 1:
            return {self.names[0]: values}
        parts = values.split([math.prod(shape) for shape in self.shapes])
        # A view would keep the memory of all other tensors of the block alive, so each part is copied.
        return {
            name: part.reshape(shape).clone() for name, part, shape in zip(self.names, parts, self.shapes, strict=True)
        }

    def measure(self, data: bytes) -> Parts:
        """Return how many of the bytes hold values, index and side information."""
        return get_codec(self.codec).measure(data, shape=self.shape, dtype=DTYPES[self.dtype])


def pack_state(state: Mapping[str, Tensor], *, codec: str) -> tuple[list[Block], bytes]:
    """Encode a state dict and return its table of blocks and its payload.

    ``codec`` is the name of a codec, or ``auto``, which takes the smallest one for each block. The round trip is bit
    for bit, except that -0.0 is stored as 0.0. Raises InputError for an unknown codec, and for a value that is not a
    dense tensor of a known type.
    """
    allowed = get_allowed(codec)
    groups: dict[tuple[Any, ...], dict[str, Tensor]] = {}
    for name, tensor in state.items():
        if not isinstance(tensor, Tensor) or tensor.dtype not in DTYPES or tensor.layout != torch.strided:
            kind = tensor.dtype if isinstance(tensor, Tensor) else type(tensor).__name__
            raise InputError(f"{name} ({kind}) cannot be stored; allowed: dense {', '.join(DTYPE_NAMES)}")
        owner, _, role = name.rpartition(".")
        alone = name if tensor.ndim > 1 else ""
        groups.setdefault((not alone, role, tensor.dtype, alone), {})[owner] = tensor
    blocks, parts = [], []
    # Matrices come first, and both kinds keep the order of the state dict: names then repeat in the same order, which
    # makes the compressed header short.
    for (_, role, dtype, _), tensors in sorted(groups.items(), key=lambda group: group[0][0]):
        arrays = [to_array(tensor) for tensor in tensors.values()]
        array = arrays[0] if len(arrays) == 1 else np.concatenate([one.reshape(-1) for one in arrays])
        chosen, data = encode_smallest(array, allowed=allowed)
        shapes = tuple(tuple(tensor.shape) for tensor in tensors.values())
        blocks.append(Block(role, tuple(tensors), shapes, dtype, chosen, len(data)))
        parts.append(data)
    return blocks, b"".join(parts)


def split_payload(blocks: Sequence[Block], payload: bytes) -> list[bytes]:
    """Return the bytes of each block, in the order of ``blocks``."""
    view, start, parts = memoryview(payload), 0, []
    for block in blocks:
        parts.append(bytes(view[start : start + block.num_bytes]))
        start += block.num_bytes
    return parts


def unpack_state(
    blocks: Sequence[Block], *, payload: bytes, max_bytes: int | None = MAX_DECODED_BYTES
) -> dict[str, Tensor]:
    """Return the tensors by name, on the CPU; raises ArtifactError that names a tensor that cannot be decoded.

    ``max_bytes`` limits the memory of all tensors, decoding included; None means no limit. Raises ArtifactError above
    the limit, before anything is decoded.
    """
    wanted = sum(block.decoded_bytes for block in blocks) + max((block.working_bytes for block in blocks), default=0)
    if max_bytes is not None and wanted > max_bytes:
        raise ArtifactError(f"reading its tensors takes {wanted} bytes of memory; allowed: max_bytes={max_bytes}")
    state: dict[str, Tensor] = {}
    for block, data in zip(blocks, split_payload(blocks, payload), strict=True):
        state |= block.decode(data)
    return state


def table_to_json(blocks: Sequence[Block]) -> dict[str, list[Any]]:
    """Return the table as the header stores it, in columns: similar values then stand together and compress well."""
    return {
        "roles": [block.role for block in blocks],
        "dtypes": [str(block.dtype).removeprefix("torch.") for block in blocks],
        "codecs": [block.codec for block in blocks],
        "bytes": [block.num_bytes for block in blocks],
        "counts": [len(block.owners) for block in blocks],
        "owners": [owner for block in blocks for owner in block.owners],
        "shapes": [list(shape) for block in blocks for shape in block.shapes],
    }


def table_from_json(table: Any, *, payload_bytes: int) -> list[Block]:
    """Return the blocks that a header describes.

    Raises ArtifactError unless the table is well formed, its names are unique and its blocks add up to
    ``payload_bytes``.
    """
    try:
        columns = convert_record(table, _Table)
    except InputError as error:
        raise ArtifactError(f"damaged: its table of tensors cannot be read: {error}") from error
    blocks, start = [], 0
    rows = zip(columns.roles, columns.dtypes, columns.codecs, columns.bytes, columns.counts, strict=True)
    for role, dtype, codec, num_bytes, count in rows:
        owners, shapes = tuple(columns.owners[start : start + count]), tuple(columns.shapes[start : start + count])
        start += count
        blocks.append(Block(role, owners, shapes, DTYPE_NAMES[dtype], codec, num_bytes))
    names = [name for block in blocks for name in block.names]
    if len(set(names)) != len(names):
        raise ArtifactError("damaged: its table names a tensor twice")
    try:
        "".join(names).encode()
    except UnicodeEncodeError as error:
        # Libraries that write these tensors elsewhere do not expect half of a surrogate pair.
        raise ArtifactError("damaged: its table has the name of a tensor that is not UTF-8") from error
    if sum(block.num_bytes for block in blocks) != payload_bytes:
        raise ArtifactError(f"damaged: its tensors do not add up to {payload_bytes} bytes")
    return blocks


def to_array(tensor: Tensor) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the tensor as the NumPy array that is stored: -0.0 becomes 0.0, and bfloat16 becomes int16 bit by bit."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.is_floating_point():
        # Pruning by multiplication turns a negative weight into -0.0, which codecs would not treat as a zero.
        tensor = tensor.masked_fill(tensor == 0, 0.0)
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()

"""A state dict as safetensors with a bitmask for each sparse weight, in the layout that compressed-tensors reads.

That library calls the layout ``sparse-bitmask``. Four tensors replace ``LAYER.weight``, a matrix ``[R, C]``:

- ``LAYER.compressed``: the values that are not zero, row by row, in the weight's own type
- ``LAYER.bitmask``: uint8 ``[R, ceil(C / 8)]``, one bit per value, lowest bit first, 1 = stored, each row padded with 0
- ``LAYER.shape``: int64 ``[R, C]``
- ``LAYER.row_offsets``: int64 ``[R]``, the position in ``compressed`` where each row starts

A weight with more dimensions is stored as the matrix ``[O, I * kH * kW]``. With rows of only kW values, each row would
need a mask byte and an offset. The metadata holds the original shape, which ``read_bitmask_file`` restores.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from compression.core.errors import ArtifactError

FORMAT = "sparse-bitmask"
PARTS = ("compressed", "bitmask", "shape", "row_offsets")
_WEIGHT = ".weight"


def write_bitmask_file(state: Mapping[str, Tensor]) -> bytes:
    """Return the bytes of a safetensors file with the tensors of ``state``.

    A ``LAYER.weight`` is stored with a bitmask if that makes it smaller; all other tensors are stored unchanged. The
    metadata holds ``format``, ``compression`` (``sparse-bitmask``) and ``shapes``, a JSON object that maps each weight
    with a bitmask to its original shape. The round trip is bit for bit.
    """
    tensors: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, tensor in state.items():
        layer = name.removesuffix(_WEIGHT)
        parts = {name: tensor.contiguous()}
        if tensor.ndim > 1 and name.endswith(_WEIGHT) and not any(f"{layer}.{part}" in state for part in PARTS):
            coded = {f"{layer}.{part}": value for part, value in encode_bitmask(tensor).items()}
            # Sizes are compared as files, because four tensors need a longer header than one.
            if len(safetensors.torch.save(coded)) < len(safetensors.torch.save(parts)):
                parts, shapes[name] = coded, list(tensor.shape)
        tensors |= parts
    return safetensors.torch.save(
        tensors, metadata={"format": "pt", "compression": FORMAT, "shapes": json.dumps(shapes)}
    )


def read_bitmask_file(path: Path) -> dict[str, Tensor]:
    """Return the state dict of a file that ``write_bitmask_file`` wrote; raises ArtifactError for any other file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - `file` is not a mapping
        if metadata.get("compression") != FORMAT:
            raise ArtifactError(f"compression is {metadata.get('compression')!r}; allowed: {FORMAT!r}")
        for name, shape in _read_shapes(metadata.get("shapes")).items():
            layer = name.removesuffix(_WEIGHT)
            missing = [part for part in PARTS if f"{layer}.{part}" not in state]
            if missing:
                raise ArtifactError(f"tensor {name}: {', '.join(missing)} missing")
            parts = {part: state.pop(f"{layer}.{part}") for part in PARTS}
            try:
                state[name] = decode_bitmask(parts, shape=shape)
            except ArtifactError as error:
                raise ArtifactError(f"tensor {name}: {error}") from error
    except (SafetensorError, ArtifactError) as error:
        raise ArtifactError(f"{path}: {error}") from error
    return state


def encode_bitmask(weight: Tensor) -> dict[str, Tensor]:
    """Return the ``PARTS`` of ``weight: [R, ...]`` (two dimensions or more) as the matrix ``[R, C]``, on the CPU.

    Only values with all bits 0 are left out. -0.0 has its sign bit set, so it is stored.
    """
    matrix = _to_matrix(weight.detach().cpu().contiguous())
    stored = (matrix[..., None].view(torch.uint8) != 0).any(dim=-1)
    counts = stored.sum(dim=1)
    return {
        "compressed": matrix[stored],
        "bitmask": torch.from_numpy(np.packbits(stored.numpy(), axis=1, bitorder="little")),
        "shape": torch.tensor(matrix.shape),
        "row_offsets": counts.cumsum(0) - counts,
    }


def decode_bitmask(parts: Mapping[str, Tensor], *, shape: tuple[int, ...]) -> Tensor:
    """Return the original weight in its ``shape``, bit for bit; raises ArtifactError if the parts do not fit it."""
    num_rows, num_columns = _matrix_shape(shape)
    bitmask, values = parts["bitmask"], parts["compressed"]
    if parts["shape"].tolist() != [num_rows, num_columns]:
        raise ArtifactError(f"damaged: a matrix {parts['shape'].tolist()} where its shape is {list(shape)}")
    if bitmask.dtype != torch.uint8 or list(bitmask.shape) != [num_rows, -(-num_columns // 8)]:
        raise ArtifactError(f"damaged: bitmask {bitmask.dtype} {list(bitmask.shape)} of a matrix {list(shape)}")
    stored = np.unpackbits(bitmask.numpy(), axis=1, count=num_columns, bitorder="little")
    mask = torch.from_numpy(stored).bool()
    if values.ndim != 1 or len(values) != int(mask.sum()):
        raise ArtifactError(f"damaged: {list(values.shape)} values where its bitmask has {int(mask.sum())} bits set")
    matrix = torch.zeros((num_rows, num_columns), dtype=values.dtype)
    matrix[mask] = values
    return matrix.reshape(shape)


def _matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], math.prod(shape[1:])


def _to_matrix(weight: Tensor) -> Tensor:
    return weight.reshape(_matrix_shape(tuple(weight.shape)))


def _read_shapes(text: Any) -> dict[str, tuple[int, ...]]:
    try:
        shapes = json.loads(text)
        assert all(isinstance(size, int) and size >= 0 for shape in shapes.values() for size in shape)
        assert all(len(shape) > 1 for shape in shapes.values())
    except (TypeError, ValueError, AttributeError, AssertionError) as error:
        raise ArtifactError("damaged: its metadata has no shapes") from error
    return {name: tuple(shape) for name, shape in shapes.items()}

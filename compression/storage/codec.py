"""What a codec is."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError


@dataclass(frozen=True)
class Parts:
    """What the bytes of one array are for.

    ``values``: what the stored values are. ``index``: where they are; 0 where a code holds both at once. ``side``: what
    a decoder must know besides, such as widths and tables of frequencies.
    """

    values: int = 0
    index: int = 0
    side: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.values + self.index + self.side


class Codec(Protocol):
    """A lossless way to store one array; its ``name`` stands in files, so it is unique and never changes.

    ``working_bytes``: the memory that decoding takes for each value at most, beside the array itself.
    """

    name: str
    working_bytes: int

    def accepts(self, dtype: np.dtype) -> bool:
        """Return whether arrays of this type can be stored."""

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return ``array`` (any shape, C order, an accepted dtype) as bytes, the same for the same array."""

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array again, writable and bit for bit.

        Allocates no more than ``data``, the array and its ``working_bytes`` take. Raises ArtifactError
        when ``data`` is not what ``encode`` gives for this shape and dtype, as far as that can be seen.
        """

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return what the bytes are for, of ``data`` that decodes; their total is ``len(data)``."""


def check_num_bytes(actual: int, *, expected: int, codec: str) -> None:
    """Raise ArtifactError unless a stored array has as many bytes as its shape asks for."""
    if actual != expected:
        raise ArtifactError(f"damaged: {codec} codec has {actual} bytes where the shape asks for {expected}")


def to_little_endian(dtype: np.dtype) -> np.dtype:
    """Return ``dtype`` in the byte order of files."""
    return dtype.newbyteorder("<")


def flatten(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return ``[N]``: the values in C order, in the byte order of files."""
    return np.ascontiguousarray(array).reshape(-1).astype(to_little_endian(array.dtype), copy=False)


def is_stored(flat: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return for each value of ``flat: [N]`` whether any of its bits is set: 0 is left out, -0.0 is not."""
    mask: NDArray[np.bool_] = flat.view(f"<u{flat.dtype.itemsize}") != 0
    return mask


def num_values(shape: tuple[int, ...]) -> int:
    """Return how many values an array of ``shape`` has."""
    return math.prod(shape)

"""The interface of a codec, and helpers that all codecs share."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError


@dataclass(frozen=True)
class Parts:
    """The bytes of one encoded array, by purpose.

    ``values`` hold the stored values. ``index`` holds their positions; it is 0 for a code that merges both. ``side`` is
    everything else that a decoder needs, such as widths and frequency tables.
    """

    values: int = 0
    index: int = 0
    side: int = 0

    @property
    def total(self) -> int:
        """The sum of all three, in bytes."""
        return self.values + self.index + self.side


class Codec(Protocol):
    """A lossless way to store one array.

    ``name`` is written into files, so it is unique and never changes. ``working_bytes`` is an upper bound of the memory
    that decoding takes for each value, in addition to the array itself.
    """

    name: str
    working_bytes: int

    def accepts(self, dtype: np.dtype) -> bool:
        """Return whether the codec can store arrays of this type."""

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return ``array`` (any shape, C order, an accepted dtype) as bytes; equal arrays give equal bytes."""

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the original array, writable and bit for bit.

        Allocates no more memory than ``data``, the array and ``working_bytes`` for each value. Raises ArtifactError
        when ``data`` cannot come from ``encode`` for this shape and dtype, as far as the codec can detect it.
        """

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the purpose of the bytes in ``data``, which must be decodable; the parts add up to ``len(data)``."""


def check_num_bytes(actual: int, *, expected: int, codec: str) -> None:
    """Raise ArtifactError unless a stored array has as many bytes as its shape requires."""
    if actual != expected:
        raise ArtifactError(f"damaged: {codec} codec has {actual} bytes where the shape requires {expected}")


def to_little_endian(dtype: np.dtype) -> np.dtype:
    """Return ``dtype`` in little-endian byte order, the order of files."""
    return dtype.newbyteorder("<")


def flatten(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return the values as ``[N]``, in C order and little endian."""
    return np.ascontiguousarray(array).reshape(-1).astype(to_little_endian(array.dtype), copy=False)


def is_stored(flat: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Return a mask ``[N]`` of the values in ``flat: [N]`` with any bit set: False for 0, True for -0.0."""
    mask: NDArray[np.bool_] = flat.view(f"<u{flat.dtype.itemsize}") != 0
    return mask


def num_values(shape: tuple[int, ...]) -> int:
    """Return the number of values in an array of ``shape``."""
    return math.prod(shape)

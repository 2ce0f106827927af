"""What a codec is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError


class Codec(Protocol):
    """A lossless way to store one array; its ``name`` stands in files, so it is unique and never changes."""

    name: str

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return ``array`` (any shape, C order, a fixed-size dtype) as bytes."""

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array again, writable and bit for bit.

        Allocates no more than a fixed multiple of ``len(data)``. Raises ArtifactError when ``data`` is not
        what ``encode`` gives for this shape and dtype.
        """


def check_num_bytes(actual: int, *, expected: int, codec: str) -> None:
    """Raise ArtifactError unless a stored array has as many bytes as its shape asks for."""
    if actual != expected:
        raise ArtifactError(f"damaged: {codec} codec has {actual} bytes where the shape asks for {expected}")


def to_little_endian(dtype: np.dtype) -> np.dtype:
    """Return ``dtype`` in the byte order of files."""
    return dtype.newbyteorder("<")

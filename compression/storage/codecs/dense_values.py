"""Every value, one after the other."""

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec import Parts, flatten, num_values
from compression.storage.values import pack_values, side_bytes, unpack_values


class DenseCodec:
    """Values in C order: ``numel * itemsize`` bytes, little endian; int8 as ``storage.values`` packs it."""

    name = "dense"
    working_bytes = 17

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: any type."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the values."""
        return pack_values(flatten(array))

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` does not fit the shape."""
        return unpack_values(data, num=num_values(shape), dtype=dtype, codec=self.name).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return values, and the width of int8."""
        del shape
        return Parts(values=len(data) - side_bytes(dtype), side=side_bytes(dtype))

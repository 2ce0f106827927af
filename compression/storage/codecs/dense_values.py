"""The dense codec: all values in sequence."""

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec import Parts, flatten, num_values
from compression.storage.values import pack_values, side_bytes, unpack_values


class DenseCodec:
    """All values in C order: ``numel * itemsize`` bytes, little endian; int8 is packed by ``storage.values``."""

    name = "dense"
    working_bytes = 17

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the packed values."""
        return pack_values(flatten(array))

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` does not fit the shape."""
        return unpack_values(data, num=num_values(shape), dtype=dtype, codec=self.name).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the values, and the width of int8 as side information."""
        del shape
        return Parts(values=len(data) - side_bytes(dtype), side=side_bytes(dtype))

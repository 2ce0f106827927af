"""Every value, one after the other."""

import math

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec import check_num_bytes, to_little_endian


class DenseCodec:
    """Values in C order, little endian: ``numel * itemsize`` bytes."""

    name = "dense"

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the array's bytes."""
        return array.astype(to_little_endian(array.dtype), copy=False).tobytes(order="C")

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` has another length."""
        check_num_bytes(len(data), expected=math.prod(shape) * dtype.itemsize, codec=self.name)
        return np.frombuffer(data, dtype=to_little_endian(dtype)).astype(dtype).reshape(shape)

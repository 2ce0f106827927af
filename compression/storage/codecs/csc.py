"""The csc codec: the values that are not zero, column by column."""

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec import Parts, flatten, num_values
from compression.storage.codecs.compressed_rows import decode_rows, encode_rows, index_bytes, matrix_shape
from compression.storage.values import side_bytes


class CscCodec:
    """Compressed sparse columns of the array as a matrix: first dimension by all others; a vector is one row.

    The bytes are those of the csr codec for the transposed matrix: the number of stored values of each column, their
    rows, and the values column by column.
    """

    name = "csc"
    working_bytes = 30

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the numbers of stored values, their rows and the values."""
        return encode_rows(flatten(array).reshape(matrix_shape(array.shape, numel=array.size)).T)

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when index and values do not fit each other."""
        rows, columns = matrix_shape(shape, numel=num_values(shape))
        transposed = decode_rows(data, rows=columns, columns=rows, dtype=dtype, codec=self.name)
        return np.ascontiguousarray(transposed.T).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return numbers and rows as index, the values, and the width of int8 as side information."""
        rows, columns = matrix_shape(shape, numel=num_values(shape))
        index = index_bytes(data, rows=columns, columns=rows, codec=self.name)
        return Parts(values=len(data) - index - side_bytes(dtype), index=index, side=side_bytes(dtype))

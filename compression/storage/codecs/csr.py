"""The csr codec: the values that are not zero, row by row."""

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec import Parts, flatten, num_values
from compression.storage.codecs.compressed_rows import decode_rows, encode_rows, index_bytes, matrix_shape
from compression.storage.values import side_bytes


class CsrCodec:
    """Compressed sparse rows of the array as a matrix: first dimension by all others; a vector is one row.

    The bytes hold, in this order: the number of stored values of each row, in the fewest bits that hold the number of
    columns; the columns of the stored values, row by row, in the fewest bits that hold the last column; the values,
    packed as in the dense codec. Both kinds of integers are written highest bit first and padded with zeros to a full
    byte. All values with any bit set are stored. An empty array is a matrix without rows.
    """

    name = "csr"
    working_bytes = 30

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the numbers of stored values, their columns and the values."""
        return encode_rows(flatten(array).reshape(matrix_shape(array.shape, numel=array.size)))

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when index and values do not fit each other."""
        rows, columns = matrix_shape(shape, numel=num_values(shape))
        return decode_rows(data, rows=rows, columns=columns, dtype=dtype, codec=self.name).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return numbers and columns as index, the values, and the width of int8 as side information."""
        rows, columns = matrix_shape(shape, numel=num_values(shape))
        index = index_bytes(data, rows=rows, columns=columns, codec=self.name)
        return Parts(values=len(data) - index - side_bytes(dtype), index=index, side=side_bytes(dtype))

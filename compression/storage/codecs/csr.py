"""The values that are not zero, row by row."""

import numpy as np
from numpy.typing import NDArray

from compression.storage.codec import Parts, flatten, num_values
from compression.storage.codecs.compressed_rows import decode_rows, encode_rows, index_bytes, matrix_shape
from compression.storage.values import side_bytes


class CsrCodec:
    """The array as a matrix, first dimension by all others (one row below two dimensions), by rows.

    How many values each row stores, each in the fewest bits that hold the number of columns; the columns of the stored
    values, row by row, each in the fewest bits that hold the last column; the values as the dense codec has them. Both
    kinds of integers: highest bit first, zeros up to a whole byte. Stored are the values with any bit set; an array
    without values is a matrix without rows.
    """

    name = "csr"
    working_bytes = 30

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: any type."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return numbers, columns and stored values."""
        return encode_rows(flatten(array).reshape(matrix_shape(array.shape, numel=array.size)))

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when index and values do not belong together."""
        rows, columns = matrix_shape(shape, numel=num_values(shape))
        return decode_rows(data, rows=rows, columns=columns, dtype=dtype, codec=self.name).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return numbers and columns, values, and the width of int8."""
        rows, columns = matrix_shape(shape, numel=num_values(shape))
        index = index_bytes(data, rows=rows, columns=columns, codec=self.name)
        return Parts(values=len(data) - index - side_bytes(dtype), index=index, side=side_bytes(dtype))

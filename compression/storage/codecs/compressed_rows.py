"""Compressed sparse rows for the csr and csc codecs: the number of values in each row, their columns, and values."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import is_stored
from compression.storage.codecs.bit_packing import pack_uints, packed_uint_bytes, unpack_uints
from compression.storage.values import pack_values, unpack_values


def matrix_shape(shape: tuple[int, ...], *, numel: int) -> tuple[int, int]:
    """Return the rows and columns of an array as a matrix: first dimension by all others; a vector is one row."""
    # A damaged shape could claim any number of empty rows.
    if not numel:
        return 0, 0
    return (shape[0], numel // shape[0]) if len(shape) > 1 else (1, numel)


def encode_rows(matrix: NDArray[np.generic]) -> bytes:
    """Return ``matrix: [rows, columns]``, little endian, as bytes.

    The bytes hold, in this order: the number of stored values of each row, in the fewest bits that hold the number of
    columns; the columns of these values, row by row and ascending, in the fewest bits that hold the last column; the
    values in the same order, packed by ``storage.values``. Numbers and columns are packed highest bit first, and each
    of the two is padded with zeros to a full byte.
    """
    # A transposed view is copied, so that the values of a row are adjacent.
    matrix = np.ascontiguousarray(matrix)
    mask = is_stored(matrix)
    columns = np.nonzero(mask)[1]
    counts = np.count_nonzero(mask, axis=1).astype(np.int64)
    count_bits, column_bits = _widths(matrix.shape[1])
    return pack_uints(counts, width=count_bits) + pack_uints(columns, width=column_bits) + pack_values(matrix[mask])


def decode_rows(data: bytes, *, rows: int, columns: int, dtype: np.dtype, codec: str) -> NDArray[np.generic]:
    """Return the matrix ``[rows, columns]`` that ``encode_rows`` wrote; raises ArtifactError that names ``codec``."""
    count_bits, column_bits = _widths(columns)
    counts = unpack_uints(data, num=rows, width=count_bits, codec=codec)
    if (counts > columns).any():
        raise ArtifactError(f"damaged: {codec} codec has a row or column with more values than fit into it")
    num_stored = int(counts.sum())
    rest = data[packed_uint_bytes(rows, width=count_bits) :]
    places = unpack_uints(rest, num=num_stored, width=column_bits, codec=codec)
    rest = rest[packed_uint_bytes(num_stored, width=column_bits) :]
    stored = unpack_values(rest, num=num_stored, dtype=dtype, codec=codec)
    positions = np.repeat(np.arange(rows, dtype=np.int64) * columns, counts) + places
    if (places >= columns).any() or (np.diff(positions) <= 0).any():
        raise ArtifactError(f"damaged: {codec} codec has positions that do not rise or lie outside the shape")
    if not is_stored(stored).all():
        raise ArtifactError(f"damaged: {codec} codec has a zero among the stored values")
    flat = np.zeros(rows * columns, dtype=dtype)
    flat[positions] = stored
    return flat.reshape(rows, columns)


def index_bytes(data: bytes, *, rows: int, columns: int, codec: str) -> int:
    """Return how many bytes of ``data`` hold the positions of the values."""
    count_bits, column_bits = _widths(columns)
    num_stored = int(unpack_uints(data, num=rows, width=count_bits, codec=codec).sum())
    return packed_uint_bytes(rows, width=count_bits) + packed_uint_bytes(num_stored, width=column_bits)


def _widths(columns: int) -> tuple[int, int]:
    """Return the bits of a number of values in a row, and the bits of a column."""
    return columns.bit_length(), max(columns - 1, 0).bit_length()

"""Deflate over the plain values: a general compressor to compare with."""

import zlib

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, num_values, to_little_endian


class GzipCodec:
    """What gzip has between its header and trailer, raw deflate (RFC 1951), of the values in C order.

    Little endian, ``itemsize`` bytes each.
    """

    name = "gzip"
    working_bytes = 6

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: any type."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the deflated bytes."""
        compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(flatten(array).tobytes()) + compressor.flush()

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` is not one stream of that many bytes."""
        num_bytes = num_values(shape) * dtype.itemsize
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than wanted, for 0 would mean no limit.
            plain = decompressor.decompress(data, num_bytes + 1)
        except zlib.error as error:
            raise ArtifactError(f"damaged: gzip codec has bytes that are not deflate: {error}") from error
        check_num_bytes(len(plain), expected=num_bytes, codec=self.name)
        if not decompressor.eof or decompressor.unused_data:
            raise ArtifactError("damaged: gzip codec has a stream that does not end where its bytes end")
        return np.frombuffer(plain, dtype=to_little_endian(dtype)).astype(dtype).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return all bytes as values."""
        del shape, dtype
        return Parts(values=len(data))

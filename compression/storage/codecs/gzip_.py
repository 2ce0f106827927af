"""The gzip codec: Deflate over the plain values, a general compressor as a baseline."""

import zlib

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, num_values, to_little_endian


class GzipCodec:
    """Raw Deflate (RFC 1951), which is gzip without header and trailer, of the values in C order.

    Values are little endian, with ``itemsize`` bytes each.
    """

    name = "gzip"
    working_bytes = 6

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the compressed values."""
        compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return compressor.compress(flatten(array).tobytes()) + compressor.flush()

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` is not one stream of that many bytes."""
        num_bytes = num_values(shape) * dtype.itemsize
        decompressor = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            # One byte more than expected, because a limit of 0 would mean no limit.
            plain = decompressor.decompress(data, num_bytes + 1)
        except zlib.error as error:
            raise ArtifactError(f"damaged: gzip codec has bytes that are not deflate: {error}") from error
        check_num_bytes(len(plain), expected=num_bytes, codec=self.name)
        if not decompressor.eof or decompressor.unused_data:
            raise ArtifactError("damaged: gzip codec has a stream that does not end where its bytes end")
        return np.frombuffer(plain, dtype=to_little_endian(dtype)).astype(dtype).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return all bytes as values, because the code merges values and positions."""
        del shape, dtype
        return Parts(values=len(data))

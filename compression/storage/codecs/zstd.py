"""The zstd codec: Zstandard over the plain values, a general compressor as a baseline."""

import numpy as np
import zstandard
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, num_values, to_little_endian

_LEVEL = 19
# The largest window of that level. A frame with a larger window was not written here and could exhaust the memory.
_MAX_WINDOW = 1 << 23
# A Zstandard block takes at least 4 bytes and decodes to at most 128 KiB.
_MAX_RATIO = 1 << 15


class ZstdCodec:
    """One Zstandard frame (RFC 8878) of the values in C order, little endian, with ``itemsize`` bytes each.

    The frame has no checksum, no dictionary and no content size; the size follows from the shape.
    """

    name = "zstd"
    working_bytes = 6

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the frame with the compressed values."""
        compressor = zstandard.ZstdCompressor(
            level=_LEVEL, write_checksum=False, write_content_size=False, write_dict_id=False
        )
        frame: bytes = compressor.compress(flatten(array).tobytes())
        return frame

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when ``data`` is not one frame of that many bytes."""
        num_bytes = num_values(shape) * dtype.itemsize
        try:
            # zstandard would allocate any size that a frame names. Frames written here name none.
            if zstandard.get_frame_parameters(data).content_size != zstandard.CONTENTSIZE_UNKNOWN:
                raise ArtifactError("damaged: zstd codec has a frame that names its size")
            if num_bytes > len(data) * _MAX_RATIO:
                raise ArtifactError(f"damaged: zstd codec has {len(data)} bytes, too few for the shape")
            plain = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW).decompress(
                data, max_output_size=max(num_bytes, 1), allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise ArtifactError(f"damaged: zstd codec has no frame that fits the shape: {error}") from error
        check_num_bytes(len(plain), expected=num_bytes, codec=self.name)
        return np.frombuffer(plain, dtype=to_little_endian(dtype)).astype(dtype).reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return all bytes as values, because the code merges values and positions."""
        del shape, dtype
        return Parts(values=len(data))

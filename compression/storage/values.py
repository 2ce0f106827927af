"""Plain values in sequence: int8 values in as few bits as the largest one needs, all other types unchanged."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import check_num_bytes, to_little_endian

_INT8 = np.dtype(np.int8)


def pack_values(values: NDArray[np.generic]) -> bytes:
    """Return ``values: [N]`` as bytes.

    int8 values are stored as a byte b, then each value in b bits (two's complement, highest bit first), padded with
    zeros to a full byte. b is the smallest width from 1 to 8 that holds every value. Other types are little endian.
    """
    if values.dtype != _INT8:
        return values.astype(to_little_endian(values.dtype), copy=False).tobytes()
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    width = max(max(high, 0).bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
    bits = np.unpackbits(np.ascontiguousarray(values).view(np.uint8)[:, None], axis=1)[:, 8 - width :]
    return bytes([width]) + np.packbits(bits).tobytes()


def unpack_values(data: bytes, *, num: int, dtype: np.dtype, codec: str) -> NDArray[np.generic]:
    """Return the ``num`` values that ``pack_values`` wrote; raises ArtifactError that names ``codec``."""
    check_num_bytes(len(data), expected=packed_bytes(data[:1], num=num, dtype=dtype, codec=codec), codec=codec)
    if dtype != _INT8:
        return np.frombuffer(data, dtype=to_little_endian(dtype)).astype(dtype)
    width = data[0]
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8, offset=1))
    if bits[num * width :].any():
        raise ArtifactError(f"damaged: {codec} codec has bits set after the last value")
    rows = np.zeros((num, 8), dtype=np.uint8)
    rows[:, :width] = bits[: num * width].reshape(num, width)
    # A right shift of signed numbers copies the sign into the upper bits.
    return np.packbits(rows).view(np.int8) >> (8 - width)


def packed_bytes(head: bytes, *, num: int, dtype: np.dtype, codec: str) -> int:
    """Return how many bytes ``num`` packed values take; ``head`` is the first of these bytes.

    Raises ArtifactError that names ``codec`` when ``head`` is not a width from 1 to 8.
    """
    if dtype != _INT8:
        return num * dtype.itemsize
    width = head[0] if head else 1
    if not 1 <= width <= 8:
        raise ArtifactError(f"damaged: {codec} codec has values of {width} bits; allowed: 1 to 8")
    return 1 + -(-num * width // 8)


def side_bytes(dtype: np.dtype) -> int:
    """Return how many bytes of packed values are not values: 1 for the width of int8, else 0."""
    return 1 if dtype == _INT8 else 0

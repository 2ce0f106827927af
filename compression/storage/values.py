"""Values one after the other: integers of 8 bits in as many bits as the largest needs, all others as they are."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import check_num_bytes, to_little_endian

_INT8 = np.dtype(np.int8)


def pack_values(values: NDArray[np.generic]) -> bytes:
    """Return ``values: [N]`` as bytes.

    int8: a byte b, then each value in b bits, two's complement, highest bit first, zeros up to a whole byte; b from 1
    to 8 is the fewest that hold every value. Others: little endian.
    """
    if values.dtype != _INT8:
        return values.astype(to_little_endian(values.dtype), copy=False).tobytes()
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    width = max(max(high, 0).bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
    bits = np.unpackbits(np.ascontiguousarray(values).view(np.uint8)[:, None], axis=1)[:, 8 - width :]
    return bytes([width]) + np.packbits(bits).tobytes()


def unpack_values(data: bytes, *, num: int, dtype: np.dtype, codec: str) -> NDArray[np.generic]:
    """Return the ``num`` values that ``pack_values`` wrote; raises ArtifactError, naming ``codec``."""
    check_num_bytes(len(data), expected=packed_bytes(data[:1], num=num, dtype=dtype, codec=codec), codec=codec)
    if dtype != _INT8:
        return np.frombuffer(data, dtype=to_little_endian(dtype)).astype(dtype)
    width = data[0]
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8, offset=1))
    if bits[num * width :].any():
        raise ArtifactError(f"damaged: {codec} codec has bits set after the last value")
    rows = np.zeros((num, 8), dtype=np.uint8)
    rows[:, :width] = bits[: num * width].reshape(num, width)
    # Shifted back as signed numbers, so that the sign fills up.
    return np.packbits(rows).view(np.int8) >> (8 - width)


def packed_bytes(head: bytes, *, num: int, dtype: np.dtype, codec: str) -> int:
    """Return the bytes that ``num`` values take, of which ``head`` is the first one; raises ArtifactError."""
    if dtype != _INT8:
        return num * dtype.itemsize
    width = head[0] if head else 1
    if not 1 <= width <= 8:
        raise ArtifactError(f"damaged: {codec} codec has values of {width} bits; allowed: 1 to 8")
    return 1 + -(-num * width // 8)


def side_bytes(dtype: np.dtype) -> int:
    """Return how many of the bytes of packed values say how the others are read."""
    return 1 if dtype == _INT8 else 0

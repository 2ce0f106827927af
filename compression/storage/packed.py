"""Small integers in as many bits as the largest needs."""

import math

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import check_num_bytes
from compression.storage.dense import DenseCodec

_DENSE = DenseCodec()
_INT8 = np.dtype(np.int8)


class PackedCodec:
    """A byte b, then int8 values in b bits each: two's complement, highest bit first, C order, zeros up to a byte.

    ``1 + ceil(numel * b / 8)`` bytes, b from 1 to 8 the fewest that hold every value. Arrays of another type have
    b = 0, then the dense codec's bytes.
    """

    name = "packed"

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return width and values."""
        if array.dtype != _INT8:
            return b"\0" + _DENSE.encode(array)
        return encode_width(np.ascontiguousarray(array).reshape(-1))

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when the bytes do not fit the shape."""
        if dtype != _INT8:
            return _decode_others(data, shape=shape, dtype=dtype, codec=self.name)
        return decode_width(data, numel=math.prod(shape), codec=self.name).reshape(shape)


class PackedBitmaskCodec:
    """The mask of the bitmask codec, then the values it keeps as the packed codec has them; of int8 alone.

    ``ceil(numel / 8) + 1 + ceil(num_stored * b / 8)`` bytes. Arrays of another type are as in the packed codec.
    """

    name = "packed_bitmask"

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return mask, width and stored values."""
        if array.dtype != _INT8:
            return b"\0" + _DENSE.encode(array)
        flat = np.ascontiguousarray(array).reshape(-1)
        mask = flat != 0
        return np.packbits(mask, bitorder="little").tobytes() + encode_width(flat[mask])

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when mask and values do not belong together."""
        if dtype != _INT8:
            return _decode_others(data, shape=shape, dtype=dtype, codec=self.name)
        numel = math.prod(shape)
        mask_bytes = -(-numel // 8)
        if len(data) < mask_bytes:
            check_num_bytes(len(data), expected=mask_bytes, codec=self.name)
        packed = np.frombuffer(data, dtype=np.uint8, count=mask_bytes)
        if numel % 8 and packed[-1] >> (numel % 8):
            raise ArtifactError("damaged: packed_bitmask codec has bits set after the last value")
        mask = np.unpackbits(packed, count=numel, bitorder="little").view(np.bool_)
        flat = np.zeros(numel, dtype=np.int8)
        flat[mask] = decode_width(data[mask_bytes:], numel=int(np.count_nonzero(mask)), codec=self.name)
        return flat.reshape(shape)


def encode_width(values: NDArray[np.int8]) -> bytes:
    """Return the fewest bits that hold ``values: [N]``, then the values in so many bits each."""
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    width = max(max(high, 0).bit_length(), (-low - 1).bit_length() if low < 0 else 0) + 1
    bits = np.unpackbits(values.view(np.uint8)[:, None], axis=1)[:, 8 - width :]
    return bytes([width]) + np.packbits(bits).tobytes()


def decode_width(data: bytes, *, numel: int, codec: str) -> NDArray[np.int8]:
    """Return the ``numel`` values that ``encode_width`` wrote; raises ArtifactError."""
    width = data[0] if data else 1
    if not 1 <= width <= 8:
        raise ArtifactError(f"damaged: {codec} codec has values of {width} bits; allowed: 1 to 8")
    check_num_bytes(len(data), expected=1 + -(-numel * width // 8), codec=codec)
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8, offset=1))
    if bits[numel * width :].any():
        raise ArtifactError(f"damaged: {codec} codec has bits set after the last value")
    rows = np.zeros((numel, 8), dtype=np.uint8)
    rows[:, :width] = bits[: numel * width].reshape(numel, width)
    # Shifted back as signed numbers, so that the sign fills up.
    return np.packbits(rows).view(np.int8) >> (8 - width)


def _decode_others(data: bytes, *, shape: tuple[int, ...], dtype: np.dtype, codec: str) -> NDArray[np.generic]:
    check_num_bytes(len(data), expected=1 + math.prod(shape) * dtype.itemsize, codec=codec)
    if data[0]:
        raise ArtifactError(f"damaged: {codec} codec has a width for values that have none")
    return _DENSE.decode(data[1:], shape=shape, dtype=dtype)

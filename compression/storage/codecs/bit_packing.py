"""Bit packing: unsigned integers with a fixed number of bits, and a writer and a reader for fields of bits."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError


def count_bytes(largest: int) -> int:
    """Return the number of bytes that hold integers up to ``largest``: 0 if ``largest`` is 0, the only value then."""
    return -(-largest.bit_length() // 8)


def packed_uint_bytes(num: int, *, width: int) -> int:
    """Return the number of bytes of ``num`` packed integers with ``width`` bits each."""
    return -(-num * width // 8)


def pack_uints(values: NDArray[np.int64], *, width: int) -> bytes:
    """Return ``values: [N]`` in ``width`` bits each, highest bit first, padded with zeros to a full byte."""
    bits = np.empty((len(values), width), dtype=np.uint8)
    for column in range(width):
        bits[:, column] = (values >> (width - 1 - column)) & 1
    return np.packbits(bits).tobytes()


def unpack_uints(data: bytes, *, num: int, width: int, codec: str) -> NDArray[np.int64]:
    """Return the ``num`` integers ``[N]`` at the start of ``data``; raises ArtifactError that names ``codec``."""
    num_bytes = packed_uint_bytes(num, width=width)
    if len(data) < num_bytes:
        raise ArtifactError(f"damaged: {codec} codec has {len(data)} bytes where its index takes {num_bytes}")
    bits = np.unpackbits(np.frombuffer(data, dtype=np.uint8, count=num_bytes))
    if bits[num * width :].any():
        raise ArtifactError(f"damaged: {codec} codec has bits set after its index")
    rows = bits[: num * width].reshape(num, width)
    values = np.zeros(num, dtype=np.int64)
    for column in range(width):
        values <<= 1
        values |= rows[:, column]
    return values


def read_count(data: bytes, *, largest: int, codec: str) -> tuple[int, bytes]:
    """Return the little-endian number at the start of ``data`` and the bytes after it.

    Raises ArtifactError that names ``codec`` when the number is above ``largest`` or cut off.
    """
    num_bytes = count_bytes(largest)
    count = int.from_bytes(data[:num_bytes], "little")
    if len(data) < num_bytes or count > largest:
        raise ArtifactError(f"damaged: {codec} codec has no number of stored values that fits the shape")
    return count, data[num_bytes:]


class BitWriter:
    """A writer of bit fields, highest bit first; ``text`` holds the bits so far as the characters 0 and 1."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, value: int, width: int) -> None:
        """Append ``value`` in ``width`` bits."""
        if width:
            self.text += f"{value:0{width}b}"

    def write_gamma(self, value: int) -> None:
        """Append ``value``, at least 1, in Elias gamma code: a zero for every bit after its first, then its bits."""
        self.write(value, 2 * value.bit_length() - 1)

    def to_bytes(self) -> bytes:
        """Return all fields as bytes, padded with zeros to a full byte."""
        num_bytes = -(-len(self.text) // 8)
        return int(self.text.ljust(8 * num_bytes, "0") or "0", 2).to_bytes(num_bytes, "big")


class BitReader:
    """A reader of the bit fields of BitWriter; its methods raise ArtifactError that names ``codec``."""

    def __init__(self, data: bytes, *, codec: str) -> None:
        self._data = data
        self._codec = codec
        self._position = 0

    def read(self, width: int) -> int:
        """Return the next ``width`` bits as an unsigned integer; raises ArtifactError where the data ends early."""
        end = self._position + width
        if end > 8 * len(self._data):
            raise ArtifactError(f"damaged: {self._codec} codec has a table that is cut off")
        first, last = self._position // 8, -(-end // 8)
        window = int.from_bytes(self._data[first:last], "big") >> (8 * last - end)
        self._position = end
        return window & ((1 << width) - 1)

    def read_unary(self, *, bit: int, limit: int) -> int:
        """Return how often ``bit`` is repeated, at most ``limit`` times, and skip the other bit that ends the run."""
        for count in range(limit + 1):
            if self.read(1) != bit:
                return count
        raise ArtifactError(f"damaged: {self._codec} codec has a number in its table that is too large")

    def read_gamma(self, *, limit: int) -> int:
        """Return a number from 1 to ``limit`` in Elias gamma code."""
        width = self.read_unary(bit=0, limit=limit.bit_length() - 1)
        value = (1 << width) | self.read(width)
        if value > limit:
            raise ArtifactError(f"damaged: {self._codec} codec has a number in its table that is too large")
        return value

    def finish(self) -> int:
        """Return how many bytes were read; raises ArtifactError unless the last one is padded with zeros."""
        if self.read(-self._position % 8):
            raise ArtifactError(f"damaged: {self._codec} codec has bits set after its table")
        return self._position // 8

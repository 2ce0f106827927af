"""The delta codec: the number of zeros before each stored value, and the value."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, flatten, is_stored, num_values
from compression.storage.codecs.bit_packing import count_bytes, pack_uints, packed_uint_bytes, read_count, unpack_uints
from compression.storage.values import pack_values, side_bytes, unpack_values

MAX_BITS = 16


class DeltaCodec:
    """Entries with a gap in k bits and a value, as in Deep Compression (arXiv:1510.00149).

    The bytes hold, in this order: a byte k from 1 to 16; the number of entries, little endian, in the fewest bytes that
    hold numel; the gaps; the values, packed as in the dense codec. A gap is the number of zeros between an entry and
    the entry before it (or the start of the array). Gaps have k bits each, highest bit first, padded with zeros to a
    full byte. In a run of ``2**k`` zeros or more, each group of ``2**k`` zeros becomes a filler: an entry with the
    largest gap, whose value is the last of these zeros. Zeros after the last stored value are not written. Only values
    with all bits 0 are left out.
    """

    name = "delta"
    working_bytes = 30

    def __init__(self, *, bits: int = 3) -> None:
        self.bits = bits

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return gaps and values, including those of fillers."""
        flat = flatten(array)
        positions = np.flatnonzero(is_stored(flat))
        gaps = np.diff(positions, prepend=-1) - 1
        fillers = gaps >> self.bits
        # The entry of each stored value comes after its fillers.
        places = np.cumsum(fillers + 1) - 1
        num_entries = len(positions) + int(fillers.sum())
        entry_gaps = np.full(num_entries, (1 << self.bits) - 1, dtype=np.int64)
        entry_gaps[places] = gaps & ((1 << self.bits) - 1)
        values = np.zeros(num_entries, dtype=flat.dtype)
        values[places] = flat[positions]
        head = bytes([self.bits]) + num_entries.to_bytes(count_bytes(flat.size), "little")
        return head + pack_uints(entry_gaps, width=self.bits) + pack_values(values)

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array, with k from ``data``; raises ArtifactError when gaps and values do not fit each other."""
        numel = num_values(shape)
        bits, num_entries, rest = self._read_head(data, numel=numel)
        gaps = unpack_uints(rest, num=num_entries, width=bits, codec=self.name)
        values = unpack_values(
            rest[packed_uint_bytes(num_entries, width=bits) :], num=num_entries, dtype=dtype, codec=self.name
        )
        filler = ~is_stored(values)
        if num_entries and (filler[-1] or (gaps[filler] != (1 << bits) - 1).any()):
            raise ArtifactError("damaged: delta codec has a filler where none is needed")
        positions = np.cumsum(gaps + 1) - 1
        if num_entries and positions[-1] >= numel:
            raise ArtifactError("damaged: delta codec has gaps that lead outside the shape")
        flat = np.zeros(numel, dtype=dtype)
        flat[positions] = values
        return flat.reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the gaps as index, the values, and k, the number of entries and the width of int8 as side information.

        The gap of a filler counts as index and its value as value.
        """
        numel = num_values(shape)
        bits, num_entries, _ = self._read_head(data, numel=numel)
        index = packed_uint_bytes(num_entries, width=bits)
        side = 1 + count_bytes(numel) + side_bytes(dtype)
        return Parts(values=len(data) - index - side, index=index, side=side)

    def _read_head(self, data: bytes, *, numel: int) -> tuple[int, int, bytes]:
        bits = data[0] if data else 0
        if not 1 <= bits <= MAX_BITS:
            raise ArtifactError(f"damaged: delta codec has gaps of {bits} bits; allowed: 1 to {MAX_BITS}")
        num_entries, rest = read_count(data[1:], largest=numel, codec=self.name)
        return bits, num_entries, rest

"""The coo codec: the position and the value of every value that is not zero."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, flatten, is_stored, num_values
from compression.storage.codecs.bit_packing import count_bytes, pack_uints, packed_uint_bytes, read_count, unpack_uints
from compression.storage.values import pack_values, side_bytes, unpack_values


class CooCodec:
    """The number of stored values, their positions in C order, and the values, packed as in the dense codec.

    The number is little endian, in the fewest bytes that hold numel (no byte if numel is 0). Positions are ascending,
    each in the fewest bits that hold numel - 1, highest bit first, padded with zeros to a full byte. All values with
    any bit set are stored.
    """

    name = "coo"
    working_bytes = 33

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the number of stored values, their positions and the values."""
        flat = flatten(array)
        positions = np.flatnonzero(is_stored(flat))
        count = len(positions).to_bytes(count_bytes(flat.size), "little")
        return count + pack_uints(positions, width=_position_bits(flat.size)) + pack_values(flat[positions])

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when positions and values do not fit each other."""
        numel = num_values(shape)
        num_stored, rest = read_count(data, largest=numel, codec=self.name)
        width = _position_bits(numel)
        positions = unpack_uints(rest, num=num_stored, width=width, codec=self.name)
        stored = unpack_values(
            rest[packed_uint_bytes(num_stored, width=width) :], num=num_stored, dtype=dtype, codec=self.name
        )
        if num_stored and (positions[-1] >= numel or (np.diff(positions) <= 0).any()):
            raise ArtifactError("damaged: coo codec has positions that do not rise or lie outside the shape")
        if not is_stored(stored).all():
            raise ArtifactError("damaged: coo codec has a zero among the stored values")
        flat = np.zeros(numel, dtype=dtype)
        flat[positions] = stored
        return flat.reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the positions as index, the values, and as side information their number and the width of int8."""
        numel = num_values(shape)
        num_stored, _ = read_count(data, largest=numel, codec=self.name)
        index = packed_uint_bytes(num_stored, width=_position_bits(numel))
        side = count_bytes(numel) + side_bytes(dtype)
        return Parts(values=len(data) - index - side, index=index, side=side)


def _position_bits(numel: int) -> int:
    return max(numel - 1, 0).bit_length()

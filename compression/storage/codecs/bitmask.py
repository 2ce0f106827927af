"""The bitmask codec: one bit for every value, and the values that are not zero."""

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts, check_num_bytes, flatten, is_stored, num_values
from compression.storage.values import pack_values, side_bytes, unpack_values


class BitmaskCodec:
    """A mask with one bit per value (C order, lowest bit first, 1 = stored), then the stored values.

    The mask takes ``ceil(numel / 8)`` bytes; the values are packed as in the dense codec. Only values with all bits 0
    are left out. -0.0 has its sign bit set, so it is stored, and the round trip is bit for bit.
    """

    name = "bitmask"
    working_bytes = 20

    def accepts(self, dtype: np.dtype) -> bool:
        """Return True: every type can be stored."""
        del dtype
        return True

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return the mask and the stored values."""
        flat = flatten(array)
        mask = is_stored(flat)
        return np.packbits(mask, bitorder="little").tobytes() + pack_values(flat[mask])

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when mask and values do not fit each other."""
        numel = num_values(shape)
        mask_bytes = -(-numel // 8)
        if len(data) < mask_bytes:
            check_num_bytes(len(data), expected=mask_bytes, codec=self.name)
        packed = np.frombuffer(data, dtype=np.uint8, count=mask_bytes)
        if numel % 8 and packed[-1] >> (numel % 8):
            raise ArtifactError("damaged: bitmask codec has bits set after the last value")
        mask = np.unpackbits(packed, count=numel, bitorder="little").view(np.bool_)
        num_stored = int(np.count_nonzero(mask))
        stored = unpack_values(data[mask_bytes:], num=num_stored, dtype=dtype, codec=self.name)
        flat = np.zeros(numel, dtype=dtype)
        flat[mask] = stored
        return flat.reshape(shape)

    def measure(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> Parts:
        """Return the mask as index, the values, and the width of int8 as side information."""
        index, side = -(-num_values(shape) // 8), side_bytes(dtype)
        return Parts(values=len(data) - index - side, index=index, side=side)

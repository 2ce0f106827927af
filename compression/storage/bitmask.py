"""One bit for every value, and the values that are not zero."""

import math

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import ArtifactError
from compression.storage.codec import check_num_bytes, to_little_endian


class BitmaskCodec:
    """A bit a value (C order, lowest bit first, 1 = stored), then the stored values, little endian.

    ``ceil(numel / 8) + num_stored * itemsize`` bytes. Only values whose every bit is 0 are left out: -0.0 has
    its sign bit set and is stored, so the round trip is bit for bit.
    """

    name = "bitmask"

    def encode(self, array: NDArray[np.generic], /) -> bytes:
        """Return mask and stored values."""
        flat = np.ascontiguousarray(array).reshape(-1).astype(to_little_endian(array.dtype), copy=False)
        mask = flat.view(_bits(flat.dtype)) != 0
        return np.packbits(mask, bitorder="little").tobytes() + flat[mask].tobytes()

    def decode(self, data: bytes, /, *, shape: tuple[int, ...], dtype: np.dtype) -> NDArray[np.generic]:
        """Return the array; raises ArtifactError when mask and values do not belong together."""
        numel = math.prod(shape)
        mask_bytes = -(-numel // 8)
        if len(data) < mask_bytes:
            check_num_bytes(len(data), expected=mask_bytes, codec=self.name)
        packed = np.frombuffer(data, dtype=np.uint8, count=mask_bytes)
        if numel % 8 and packed[-1] >> (numel % 8):
            raise ArtifactError("damaged: bitmask codec has bits set after the last value")
        mask = np.unpackbits(packed, count=numel, bitorder="little").view(np.bool_)
        num_stored = int(np.count_nonzero(mask))
        check_num_bytes(len(data), expected=mask_bytes + num_stored * dtype.itemsize, codec=self.name)
        stored = np.frombuffer(data, dtype=to_little_endian(dtype), offset=mask_bytes, count=num_stored)
        flat = np.zeros(numel, dtype=dtype)
        flat[mask] = stored
        return flat.reshape(shape)


def _bits(dtype: np.dtype) -> np.dtype:
    return np.dtype(f"<u{dtype.itemsize}")

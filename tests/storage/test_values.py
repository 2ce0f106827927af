import numpy as np
import pytest

from compression.core.errors import ArtifactError
from compression.storage.codecs.bitmask import BitmaskCodec
from compression.storage.codecs.dense_values import DenseCodec


def test_packed_bytes_by_hand():
    # -4 needs three bits: 011 100 000 111, and four bits to fill up.
    array = np.array([3, -4, 0, -1], dtype=np.int8)
    assert DenseCodec().encode(array) == bytes([3, 0b01110000, 0b01110000])
    # The mask of three, then 011 100 111.
    assert BitmaskCodec().encode(array) == bytes([0b1011, 3, 0b01110011, 0b10000000])


@pytest.mark.parametrize(("value", "width"), [(0, 1), (-1, 1), (1, 2), (-2, 2), (7, 4), (-8, 4), (-9, 5), (-128, 8)])
def test_packed_width(value, width):
    assert DenseCodec().encode(np.array([value], dtype=np.int8))[0] == width


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x09\x00", b"\x02", b"\x02\x00\x00", b"\x02\x01"])
def test_unpacking_refuses_bytes_that_are_never_written(data):
    with pytest.raises(ArtifactError, match="damaged"):
        DenseCodec().decode(data, shape=(3,), dtype=np.dtype(np.int8))

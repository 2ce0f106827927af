import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compression.core.errors import ArtifactError, InputError
from compression.storage.codecs.bitmask import BitmaskCodec
from compression.storage.codecs.dense import DenseCodec
from compression.storage.registry import CODECS, encode_smallest, get_allowed, get_codec

DTYPES = [np.dtype(name) for name in ("f4", "f2", "f8", "i1", "u1", "i2", "i4", "i8", "?")]
CODEC = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
OF_ANY_TYPE = {name: codec for name, codec in CODECS.items() if codec.accepts(np.dtype(np.float32))}
ANY_TYPE_CODEC = pytest.mark.parametrize("codec", OF_ANY_TYPE.values(), ids=OF_ANY_TYPE.keys())


def assert_same_bits(actual, expected):
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    assert actual.tobytes() == expected.tobytes()
    assert actual.flags.writeable


def test_dense_bytes_by_hand():
    data = DenseCodec().encode(np.array([[1, -2], [0, 3]], dtype=np.int16))
    assert data == bytes([1, 0, 0xFE, 0xFF, 0, 0, 3, 0])


def test_bitmask_bytes_by_hand():
    array = np.array([0, 5, 0, 0, 7, 0, 0, 0, 0, -1], dtype=np.int16)
    assert BitmaskCodec().encode(array) == bytes([0b00010010, 0b10, 5, 0, 7, 0, 0xFF, 0xFF])


def test_bitmask_stores_negative_zero_and_nan():
    array = np.array([0.0, -0.0, np.nan], dtype=np.float32)
    data = BitmaskCodec().encode(array)
    assert data[0] == 0b110
    assert len(data) == 1 + 2 * 4
    assert_same_bits(BitmaskCodec().decode(data, shape=(3,), dtype=array.dtype), array)


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
def test_packed_refuses_what_it_never_writes(data):
    with pytest.raises(ArtifactError, match="damaged"):
        DenseCodec().decode(data, shape=(3,), dtype=np.dtype(np.int8))


def test_names_are_frozen():
    assert {name: type(codec).__name__ for name, codec in CODECS.items()} == {
        "dense": "DenseCodec",
        "bitmask": "BitmaskCodec",
        "context": "ContextCodec",
    }
    assert all(codec.name == name for name, codec in CODECS.items())


@CODEC
@settings(deadline=None, max_examples=80)
@given(data=st.data())
def test_round_trip_of_any_bits(codec, data):
    dtype = data.draw(st.sampled_from([dtype for dtype in DTYPES if codec.accepts(dtype)]))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6))
    numel = math.prod(shape)
    if dtype == np.bool_:
        array = data.draw(hnp.arrays(dtype, shape))
    else:
        # Every bit pattern, NaNs with payloads and -0.0 included.
        raw = data.draw(st.binary(min_size=numel * dtype.itemsize, max_size=numel * dtype.itemsize))
        array = np.frombuffer(raw, dtype=dtype).reshape(shape).copy()
    array[data.draw(hnp.arrays(np.bool_, shape))] = 0
    assert_same_bits(codec.decode(codec.encode(array), shape=shape, dtype=dtype), array)


@CODEC
@settings(deadline=None, max_examples=40)
@given(array=hnp.arrays(np.int8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), elements=st.integers(-3, 3)))
def test_bytes_are_accounted_for(codec, array):
    data = codec.encode(array)
    parts = codec.measure(data, shape=array.shape, dtype=array.dtype)
    assert parts.total == len(data)
    assert min(parts.values, parts.index, parts.side) >= 0


@ANY_TYPE_CODEC
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (8,), (9,), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("fill", [0, 1])
def test_round_trip_of_constants(codec, shape, dtype, fill):
    array = np.full(shape, fill, dtype=dtype)
    assert_same_bits(codec.decode(codec.encode(array), shape=shape, dtype=dtype), array)


@ANY_TYPE_CODEC
def test_round_trip_of_strided_and_big_endian(codec):
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)
    data = codec.encode(array)
    assert_same_bits(codec.decode(data, shape=(4, 2, 3), dtype=array.dtype), np.ascontiguousarray(array))
    assert codec.encode(array.astype(">f4")) == data


@ANY_TYPE_CODEC
def test_wrong_length_is_an_error(codec):
    data = codec.encode(np.array([0, 1, 2], dtype=np.int32))
    for damaged in (b"", data[:-1], data + b"\x00", data[:1]):
        with pytest.raises(ArtifactError, match=f"damaged: {codec.name} codec has"):
            codec.decode(damaged, shape=(3,), dtype=np.dtype(np.int32))


@CODEC
def test_a_huge_shape_allocates_nothing(codec):
    with pytest.raises(ArtifactError, match="damaged"):
        codec.decode(b"\xff" * 100, shape=(1 << 40,), dtype=np.dtype(np.float64))


def test_bits_after_the_last_value_are_an_error():
    with pytest.raises(ArtifactError, match="damaged: bitmask codec has bits set after the last value"):
        BitmaskCodec().decode(bytes([0b1000]), shape=(3,), dtype=np.dtype(np.int32))


def test_smallest_changes_at_the_break_even():
    # 32 values: the mask costs 4 bytes, one float32.
    array = np.ones(32, dtype=np.float32)
    allowed = ("dense", "bitmask")
    assert encode_smallest(array, allowed=allowed)[0] == "dense"
    array[0] = 0
    assert encode_smallest(array, allowed=allowed)[0] == "dense"
    array[1] = 0
    name, data = encode_smallest(array, allowed=allowed)
    assert (name, len(data)) == ("bitmask", 4 + 30 * 4)
    assert encode_smallest(array, allowed=("dense",))[0] == "dense"


def test_selection():
    assert get_allowed("auto") == tuple(CODECS)
    assert get_allowed("bitmask") == ("bitmask",)
    with pytest.raises(InputError) as caught:
        get_allowed("zip")
    assert str(caught.value) == f"storage.codec='zip' is unknown; allowed: auto, {', '.join(CODECS)}"


def test_unknown_codec_in_a_file():
    with pytest.raises(ArtifactError, match=r"codec 'zip' is unknown; allowed: dense, bitmask, context"):
        get_codec("zip")

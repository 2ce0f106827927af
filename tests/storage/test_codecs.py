import math
import tracemalloc
import zlib

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from same_bits import assert_same_bits

from compression.core.errors import ArtifactError
from compression.storage.codec import Parts
from compression.storage.codec_registry import BASELINES, CODECS
from compression.storage.codecs.ans import AnsCodec
from compression.storage.codecs.bitmask import BitmaskCodec
from compression.storage.codecs.coo import CooCodec
from compression.storage.codecs.csc import CscCodec
from compression.storage.codecs.csr import CsrCodec
from compression.storage.codecs.delta import DeltaCodec
from compression.storage.codecs.dense_values import DenseCodec
from compression.storage.codecs.gzip_ import GzipCodec
from compression.storage.codecs.zstd import ZstdCodec


def slow_unless(representative, *values):
    """Return a parameter for all slow tests, and for the fast tests too if it is representative."""
    return pytest.param(*values, marks=() if representative else pytest.mark.slow)


DTYPES = [np.dtype(name) for name in ("f4", "f2", "f8", "i1", "u1", "i2", "i4", "i8", "?")]
CODEC = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS.keys())
OF_ANY_TYPE = {name: codec for name, codec in CODECS.items() if codec.accepts(np.dtype(np.float32))}
ANY_TYPE_CODEC = pytest.mark.parametrize("codec", OF_ANY_TYPE.values(), ids=OF_ANY_TYPE.keys())


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


def test_coo_bytes_by_hand():
    array = np.array([0, 5, 0, 0, 7, 0, 0, 0, 0, -1], dtype=np.int16)
    # Three of them, at 0001 0100 1001.
    assert CooCodec().encode(array) == bytes([3, 0b00010100, 0b10010000, 5, 0, 7, 0, 0xFF, 0xFF])


def test_rows_and_columns_by_hand():
    array = np.array([[0, 3, 0], [0, 0, 0], [-4, 0, 1]], dtype=np.int8)
    # 01 00 10 values a row; columns 01, 00 10; values 011 100 001.
    assert CsrCodec().encode(array) == bytes([0b01001000, 0b01001000, 3, 0b01110000, 0b10000000])
    # 01 01 01 values a column; rows 10, 00, 10; values 100 011 001.
    assert CscCodec().encode(array) == bytes([0b01010100, 0b10001000, 3, 0b10001100, 0b10000000])


def test_delta_bytes_by_hand():
    array = np.array([0] * 9 + [5, 0, 6, 0], dtype=np.int16)
    # Nine zeros are a filler, seven and its own, and one more: gaps 111 001 001.
    data = bytes([3, 3, 0b11100100, 0b10000000, 0, 0, 5, 0, 6, 0])
    assert DeltaCodec().encode(array) == data
    assert DeltaCodec().measure(data, shape=(13,), dtype=array.dtype) == Parts(values=6, index=2, side=2)
    # Four bits need none; they are read from the data.
    wide = DeltaCodec(bits=4).encode(array)
    assert wide == bytes([4, 2, 0b10010001, 5, 0, 6, 0])
    assert_same_bits(DeltaCodec().decode(wide, shape=(13,), dtype=array.dtype), array)


@pytest.mark.parametrize("zeros", [7, 8, 15, 16, 17, 100])
def test_delta_fillers(zeros):
    array = np.array([0] * zeros + [1] + [0] * zeros + [-1], dtype=np.int8)
    data = DeltaCodec().encode(array)
    assert data[1] == 2 * (zeros // 8 + 1)
    assert_same_bits(DeltaCodec().decode(data, shape=array.shape, dtype=array.dtype), array)


@pytest.mark.parametrize(
    ("codec", "shape", "data"),
    [
        (CooCodec(), (10,), [3, 0b00010100, 0b10100000, 5, 0, 7, 0, 1, 0]),  # position 10
        (CooCodec(), (10,), [2, 0b00100010, 5, 0, 7, 0]),  # the same position twice
        (CooCodec(), (10,), [2, 0b00100011, 5, 0, 0, 0]),  # a zero
        (CooCodec(), (10,), [1, 0b00100001, 5, 0]),  # bits after the index
        (CooCodec(), (10,), [11, 0]),
        (CsrCodec(), (1, 2), [0b11000000, 0b01000000, 1, 0, 1, 0, 1, 0]),  # three values in two columns
        (CsrCodec(), (1, 3), [0b01000000, 0b11000000, 1, 0]),  # column 3
        (CsrCodec(), (1, 3), [0b10000000, 0b01010000, 1, 0, 1, 0]),  # the same column twice
        (CsrCodec(), (1, 3), [0b01000000, 0b01000000, 0, 0]),  # a zero
        (CscCodec(), (3, 1), [0b01000000, 0b11000000, 1, 0]),  # row 3
        (DeltaCodec(), (9,), [3, 2, 0b11100100, 0, 0, 5, 0]),  # position 9
        (DeltaCodec(), (9,), [3, 2, 0b00000000, 0, 0, 5, 0]),  # a filler that skips nothing
        (DeltaCodec(), (9,), [3, 1, 0b11100000, 0, 0]),  # a filler with nothing after it
        (DeltaCodec(), (9,), [17, 0]),
        (AnsCodec(), (4,), [0b10100000]),  # five of four values
        (AnsCodec(), (4,), [0, 0]),
    ],
)
def test_bytes_that_are_never_written_are_refused(codec, shape, data):
    with pytest.raises(ArtifactError, match=f"damaged: {codec.name} codec has"):
        codec.decode(bytes(data), shape=shape, dtype=np.dtype(np.int16))


@CODEC
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_round_trip_of_any_bits(codec, data):
    check_round_trip(codec, data)


@pytest.mark.slow
@CODEC
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_round_trip_of_any_bits_many_times(codec, data):
    check_round_trip(codec, data)


def check_round_trip(codec, data):
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
@settings(deadline=None, max_examples=25)
@given(array=hnp.arrays(np.int8, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), elements=st.integers(-3, 3)))
def test_measured_parts_add_up_to_the_bytes(codec, array):
    data = codec.encode(array)
    parts = codec.measure(data, shape=array.shape, dtype=array.dtype)
    assert parts.total == len(data)
    assert min(parts.values, parts.index, parts.side) >= 0


@ANY_TYPE_CODEC
@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (8,), (9,), (2, 3, 5, 7)])
@pytest.mark.parametrize(
    "dtype", [slow_unless(dtype.name in ("int8", "float32", "bool"), dtype) for dtype in DTYPES], ids=str
)
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


@CODEC
@pytest.mark.parametrize("width", [slow_unless(width in (2, 5, 8), width) for width in range(2, 9)])
@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (1, 40), (40, 1)])
def test_round_trip_of_every_width(codec, width, shape):
    rng = np.random.default_rng(width)
    array = rng.integers(-(1 << (width - 1)), 1 << (width - 1), size=shape).astype(np.int8)
    array[rng.random(shape) < 0.7] = 0
    array.flat[:2] = -(1 << (width - 1)), (1 << (width - 1)) - 1
    assert_same_bits(codec.decode(codec.encode(array), shape=shape, dtype=array.dtype), array)


@CODEC
@pytest.mark.parametrize("values", [[-128], [127], [-128, 127], [-128, 0, 0], [0, 127, 0], [-127, 1, 127]])
@pytest.mark.parametrize("repeats", [1, 500])
def test_round_trip_of_extremes(codec, values, repeats):
    array = np.array(values * repeats, dtype=np.int8)
    assert_same_bits(codec.decode(codec.encode(array), shape=array.shape, dtype=array.dtype), array)


BOMB = bytes(1 << 25)


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (ZstdCodec(), zstandard.ZstdCompressor(write_content_size=True).compress(BOMB)),
        (ZstdCodec(), zstandard.ZstdCompressor(write_content_size=False).compress(BOMB)),
        (GzipCodec(), zlib.compress(BOMB, wbits=-15)),
    ],
    ids=["zstd_with_size", "zstd", "gzip"],
)
def test_a_bomb_is_not_unpacked(codec, data):
    tracemalloc.start()
    with pytest.raises(ArtifactError, match=f"damaged: {codec.name} codec has"):
        codec.decode(data, shape=(1000,), dtype=np.dtype(np.float32))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@CODEC
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_damaged_bytes_are_an_error_or_an_array(codec, data):
    check_damaged_bytes(codec, data)


@pytest.mark.slow
@CODEC
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_damaged_bytes_are_an_error_or_an_array_many_times(codec, data):
    check_damaged_bytes(codec, data)


def check_damaged_bytes(codec, data):
    dtypes = [np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.float32)]
    dtype = data.draw(st.sampled_from([dtype for dtype in dtypes if codec.accepts(dtype)]))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=8))
    if data.draw(st.booleans()):
        damaged = bytearray(data.draw(st.binary(max_size=40)))
    else:
        array = data.draw(hnp.arrays(dtype, shape, elements=st.integers(-20, 20), fill=st.just(0)))
        damaged = bytearray(codec.encode(array))
        damaged = damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged
        damaged += data.draw(st.binary(max_size=3))
        for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        decoded = codec.decode(bytes(damaged), shape=shape, dtype=dtype)
    except ArtifactError:
        return
    assert (decoded.shape, decoded.dtype) == (shape, dtype)
    assert codec.measure(bytes(damaged), shape=shape, dtype=dtype).total == len(damaged)


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


# zstd and gzip take long to look for repeats where little is 0.
@pytest.mark.parametrize(
    ("name", "sparsity"),
    [slow_unless(s > 0.9 or name not in BASELINES, name, s) for name in CODECS for s in (0.0, 0.5, 0.99)],
)
def test_decoding_stays_within_working_bytes(name, sparsity):
    codec, rng = CODECS[name], np.random.default_rng(0)
    shape = (300, 1000)
    values = rng.geometric(0.1, size=shape).clip(max=120) * rng.choice([-1, 1], size=shape)
    for dtype in (np.dtype(np.int8), np.dtype(np.float32)):
        if not codec.accepts(dtype):
            continue
        array = np.where(rng.random(shape) < sparsity, 0, values).astype(dtype)
        data = codec.encode(array)
        codec.decode(data, shape=shape, dtype=dtype)
        tracemalloc.start()
        codec.decode(data, shape=shape, dtype=dtype)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak <= array.nbytes + codec.working_bytes * array.size + len(data) + 300_000

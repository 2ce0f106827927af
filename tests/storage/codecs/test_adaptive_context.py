import hashlib
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compression.core.errors import ArtifactError
from compression.storage.codec_registry import encode_smallest, get_allowed
from compression.storage.codecs.adaptive_context import ContextCodec

CODEC = ContextCodec()
INT8 = np.dtype(np.int8)


def decode(data, shape):
    return CODEC.decode(data, shape=shape, dtype=INT8)


def assert_round_trip(array):
    data = CODEC.encode(array)
    actual = decode(data, array.shape)
    assert actual.dtype == INT8
    assert actual.flags.writeable
    np.testing.assert_array_equal(actual, array, strict=True)
    parts = CODEC.measure(data, shape=array.shape, dtype=INT8)
    assert parts.total == len(data)
    assert min(parts.values, parts.index, parts.side) >= 0
    return data


def assert_decodes_or_refuses(data, shape):
    try:
        array = decode(data, shape)
    except ArtifactError:
        return
    assert (array.dtype, array.shape) == (INT8, shape)


@cache
def sparse_weights(*, rows=128, columns=288, bits=6, seed=0):
    """Return int8 rows of different density and size, each with its own scale, as after pruning and quantization."""
    generator = np.random.default_rng(seed)
    weights = generator.laplace(size=(rows, columns)) * generator.lognormal(sigma=0.5, size=(rows, 1))
    weights[np.abs(weights) < np.quantile(np.abs(weights), 0.9)] = 0
    scales = np.maximum(np.abs(weights).max(axis=1, keepdims=True), 1e-9) / (2 ** (bits - 1) - 1)
    levels = np.rint(weights / scales).astype(np.int8)
    # The array is cached and shared by several tests.
    levels.setflags(write=False)
    return levels


def order0_bytes(array):
    counts = np.unique(array, return_counts=True)[1]
    return float((counts * np.log2(counts.sum() / counts)).sum()) / 8


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_round_trip_of_any_shape_and_width(data):
    shape = data.draw(
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=20).filter(lambda s: np.prod(s) < 4e3)
    )
    largest = 2 ** (data.draw(st.integers(1, 8)) - 1)
    generator = np.random.default_rng(data.draw(st.integers(0, 1000)))
    array = generator.integers(-largest, largest, size=shape, endpoint=largest < 128).astype(np.int8)
    array[generator.random(shape) < data.draw(st.sampled_from([0.0, 0.3, 0.9, 1.0]))] = 0
    assert_round_trip(array)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (9,), (200,), (16, 16), (2, 3, 5, 7)])
@pytest.mark.parametrize("fill", [0, 1, -1, 5, 127, -128])
def test_round_trip_of_constants(shape, fill):
    assert_round_trip(np.full(shape, fill, dtype=np.int8))


@pytest.mark.parametrize("bits", range(2, 9))
def test_below_order_0(bits):
    array = sparse_weights(bits=bits)
    data = assert_round_trip(array.reshape(128, 32, 3, 3))
    assert len(data) < (1.0 if bits == 2 else 0.96) * order0_bytes(array)


def test_dense_weights_have_no_mask():
    array = np.random.default_rng(0).choice([-128, -3, 1, 127], size=(20, 30)).astype(np.int8)
    data = assert_round_trip(array)
    assert CODEC.measure(data, shape=array.shape, dtype=INT8).index == 0


def test_head_by_hand():
    # Four values, 1 the largest, no bytes of mask; then their signs and a 1.
    assert CODEC.encode(np.array([1, -1, -1, 1], dtype=np.int8)) == bytes([4, 1, 0, 0b10110])
    # The largest of the only row is its third value; the others, less 1, have the mean 4.5 / 3, rounded to eighths.
    data = CODEC.encode(np.array([2, -2, 9, 3], dtype=np.int8))
    assert data[:5] == bytes([4, 9, 11, 1, 0])
    assert CODEC.encode(np.zeros((3, 50), dtype=np.int8)) == bytes([0, 0])
    assert CODEC.encode(np.array([], dtype=np.int8)) == bytes([0, 0])


def test_same_bytes_each_time():
    array = sparse_weights()
    assert CODEC.encode(array) == CODEC.encode(np.asfortranarray(array))


def test_bytes_are_frozen():
    # Existing files hold such bytes, and a model with other probabilities could not read them.
    index = np.arange(16 * 40, dtype=np.int64)
    array = (index * index * 7919 % 1009 % 31 * (index * 104729 % 997 < 200)).astype(np.int8).reshape(16, 40)
    array[1::2] = -array[1::2]
    data = CODEC.encode(array)
    assert (len(data), hashlib.sha256(data).hexdigest()[:16]) == (166, "fa3b814c4f665798")


def test_only_int8():
    assert CODEC.accepts(INT8)
    assert not CODEC.accepts(np.dtype(np.uint8))
    with pytest.raises(ArtifactError, match="damaged: context codec cannot hold float32 values"):
        CODEC.decode(b"\x00\x00", shape=(1,), dtype=np.dtype(np.float32))


def test_chosen_for_quantized_weights():
    assert encode_smallest(sparse_weights(), allowed=get_allowed("auto"))[0] == "context"
    assert encode_smallest(np.ones((4, 4), dtype=np.float32), allowed=get_allowed("context"))[0] == "dense"


@settings(deadline=None, max_examples=100)
@given(data=st.data())
def test_damaged_bytes_give_an_array_or_an_artifact_error(data):
    check_damaged_bytes(data)


@pytest.mark.slow
@settings(deadline=None, max_examples=500)
@given(data=st.data())
def test_damaged_bytes_give_an_array_or_an_artifact_error_many_times(data):
    check_damaged_bytes(data)


def check_damaged_bytes(data):
    array = sparse_weights(
        rows=12, columns=70, seed=data.draw(st.integers(0, 3)), bits=data.draw(st.sampled_from([2, 5, 8]))
    )
    damaged = bytearray(CODEC.encode(array))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, 15) | st.integers(0, len(damaged) - 1))
        damaged[min(place, len(damaged) - 1)] = data.draw(st.integers(0, 255))
    damaged = damaged[: data.draw(st.none() | st.integers(0, len(damaged)))]
    shape = data.draw(st.sampled_from([array.shape, (70, 12), (12, 10, 7), (840,), (12, 69), (1,), (0,), ()]))
    assert_decodes_or_refuses(bytes(damaged), shape)


@settings(deadline=None, max_examples=200)
@given(damaged=st.binary(max_size=60), shape=st.sampled_from([(), (0,), (9,), (300,), (10, 20), (8, 3, 3, 3)]))
def test_any_bytes_give_an_array_or_an_artifact_error(damaged, shape):
    assert_decodes_or_refuses(damaged, shape)


def test_truncated_and_extended_are_errors():
    array = sparse_weights(rows=20, columns=60)
    data = CODEC.encode(array)
    for damaged in (b"", data[:1], data[:-1], data[: len(data) // 2], data + b"\x00", data + b"\x07"):
        with pytest.raises(ArtifactError, match="damaged: context codec has"):
            decode(damaged, array.shape)


def test_a_huge_shape_allocates_nothing():
    with pytest.raises(
        ArtifactError, match="damaged: context codec has 2 bytes where the shape requires 1099511627776"
    ):
        decode(b"\x00\x00", (1 << 40,))
    assert decode(b"\x00\x00", (1 << 40, 0)).size == 0

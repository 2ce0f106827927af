import numpy as np
import pytest
from same_bits import assert_same_bits

from compression.core.errors import ArtifactError
from compression.storage.codecs.ans import AnsCodec
from compression.storage.codecs.bitmask import BitmaskCodec


def make_weights(shape, *, sparsity, width, seed=0):
    # Laplacian, pruned by magnitude, one scale.
    rng = np.random.default_rng(seed)
    weights = rng.laplace(size=shape)
    largest = (1 << (width - 1)) - 1
    levels = np.clip(np.rint(weights / np.quantile(np.abs(weights), 0.9995) * largest), -largest - 1, largest)
    return np.where(np.abs(weights) >= np.quantile(np.abs(weights), sparsity), levels, 0).astype(np.int8)


@pytest.mark.parametrize("shape", [(100, 100), (160, 960), (960, 160, 1, 1), (64, 64, 3, 3)])
@pytest.mark.parametrize(("sparsity", "width"), [(0.0, 8), (0.0, 4), (0.5, 6), (0.9, 6), (0.9, 2), (0.95, 8)])
def test_ans_is_near_the_entropy(shape, sparsity, width):
    array = make_weights(shape, sparsity=sparsity, width=width)
    counts = np.bincount(array.reshape(-1).view(np.uint8))
    counts = counts[counts > 0]
    entropy = float((counts * np.log2(array.size / counts)).sum()) / 8
    parts = AnsCodec().measure(AnsCodec().encode(array), shape=shape, dtype=array.dtype)
    assert parts.index == 0
    # The coder's first symbol and last byte take up to 4 bytes: more than 2 in 1,000 of a few hundred.
    assert parts.values <= 1.002 * entropy + (4 if entropy < 2000 else 0)
    assert parts.side <= (36 if width <= 6 else 100)


def test_ans_tables_are_small():
    array = make_weights((160, 960, 1, 1), sparsity=0.9, width=6)
    assert AnsCodec().measure(AnsCodec().encode(array), shape=array.shape, dtype=array.dtype).side <= 16
    few = make_weights((32, 1, 3, 3), sparsity=0.0, width=6)
    assert AnsCodec().measure(AnsCodec().encode(few), shape=few.shape, dtype=few.dtype).side <= 6


def test_ans_codes_the_bytes_of_floats():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(64, 100)).astype(np.float32)
    array[rng.random(array.shape) < 0.9] = 0
    data = AnsCodec().encode(array)
    assert len(data) < 0.97 * len(BitmaskCodec().encode(array))
    assert_same_bits(AnsCodec().decode(data, shape=array.shape, dtype=array.dtype), array)


def test_ans_of_more_than_a_chunk():
    array = make_weights((1100, 1000), sparsity=0.9, width=6)
    data = AnsCodec().encode(array)
    assert_same_bits(AnsCodec().decode(data, shape=array.shape, dtype=array.dtype), array)
    # So few bytes cannot hold so many values; they are refused before anything is decoded.
    with pytest.raises(ArtifactError, match="too few for the shape"):
        AnsCodec().decode(data[:1000], shape=array.shape, dtype=array.dtype)


def test_ans_of_a_single_symbol_takes_no_stream():
    for value in (-128, -3, 0, 9):
        array = np.full((50, 60), value, dtype=np.int8)
        data = AnsCodec().encode(array)
        assert len(data) <= 8
        assert AnsCodec().measure(data, shape=array.shape, dtype=array.dtype).values == 0


def test_bytes_of_ans_are_frozen():
    array = np.array([0, 0, 1, 0, -1, 0, 2, 0, 0, 1, 0, 0, 0, -3, 0, 0], dtype=np.int8)
    data = AnsCodec().encode(array)
    assert data.hex() == "2f8143fa4011d81a529b0a"
    assert_same_bits(AnsCodec().decode(data, shape=(16,), dtype=array.dtype), array)

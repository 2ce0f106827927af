import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import ArtifactError
from compression.storage.entropy_coder import Decoder, Encoder, code_by_class


def encoded(symbols, weights, *, tail=b""):
    encoder = Encoder()
    encoder.code(np.array(weights, dtype=np.float64), num=len(symbols), truth=np.array(symbols))
    return encoder.to_bytes(tail=tail)


messages = st.lists(
    st.one_of(
        st.tuples(st.lists(st.floats(0.01, 100), min_size=2, max_size=9), st.integers(0, 30)),
        st.lists(st.integers(2, 2**16), max_size=20),
    ),
    max_size=5,
)


@settings(deadline=None, max_examples=60)
@given(messages=messages, tail=st.binary(max_size=9), seed=st.integers(0, 99))
def test_round_trip_of_symbols_and_tail(messages, tail, seed):
    tail, generator = tail.rstrip(b"\x00"), np.random.default_rng(seed)
    encoder, written = Encoder(), []
    for message in messages:
        if isinstance(message, tuple):
            truth = generator.integers(0, len(message[0]), size=message[1])
            encoder.code(np.array(message[0]), num=message[1], truth=truth)
        else:
            truth = np.array([generator.integers(0, size) for size in message], dtype=np.int64)
            encoder.code_uniform(np.array(message, dtype=np.int64), truth=truth)
        written.append(truth)
    decoder = Decoder(encoder.to_bytes(tail=tail), codec="x")
    for message, truth in zip(messages, written, strict=True):
        if isinstance(message, tuple):
            found = decoder.code(np.array(message[0]), num=message[1])
        else:
            found = decoder.code_uniform(np.array(message, dtype=np.int64))
        assert found.tolist() == truth.tolist()
    assert decoder.finish(tail_bytes=len(tail)) == tail


def test_a_symbol_takes_the_bits_of_its_probability():
    # 3/4 and 1/4 cost 0.415 and 2 bits. The state of the coder is 8 bytes at most.
    symbols = [0, 0, 0, 1] * 1000
    ideal = (3000 * np.log2(4 / 3) + 1000 * 2) / 8
    assert ideal <= len(encoded(symbols, [3.0, 1.0])) <= ideal + 8
    # Weights need not add up to 1.
    assert encoded(symbols, [3.0, 1.0]) == encoded(symbols, [0.75, 0.25])


def test_damage_is_named():
    data = encoded([0, 1, 1, 0] * 20, [1.0, 1.0], tail=b"ab")
    with pytest.raises(ArtifactError, match="damaged: context codec has a stream that ends in zeros"):
        Decoder(data + b"\x00", codec="context")
    for num, tail_bytes in ((40, 2), (80, 1), (80, 3)):
        decoder = Decoder(data, codec="context")
        decoder.code(np.array([1.0, 1.0]), num=num)
        with pytest.raises(ArtifactError, match="damaged: context codec has a stream of other values"):
            decoder.finish(tail_bytes=tail_bytes)


@pytest.mark.parametrize("present", [[0, 1, 2], [2, 0], [1]])
def test_each_class_is_coded_with_its_own_weights(present):
    generator = np.random.default_rng(0)
    classes = generator.choice(present, size=300).astype(np.uint8)
    # One symbol of each class is nearly sure.
    weights = np.full((3, 4), 1e-3)
    weights[[0, 1, 2], [3, 0, 1]] = 1.0
    truth = np.array([3, 0, 1], dtype=np.uint8)[classes]
    truth[::100] = 2
    encoder = Encoder()
    assert code_by_class(encoder, classes, weights=weights, truth=truth).tolist() == truth.tolist()
    data = encoder.to_bytes()
    assert len(data) < 20
    decoder = Decoder(data, codec="x")
    assert code_by_class(decoder, classes, weights=weights, truth=None).tolist() == truth.tolist()
    assert decoder.finish() == b""

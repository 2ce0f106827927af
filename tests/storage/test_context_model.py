"""Tests of the context model without its codec: every weight is coded once, and probabilities adapt to earlier ones."""

import numpy as np
import pytest

from compression.storage.context_model import MAGNITUDE_PHASES, MASK_PHASES, code_magnitudes, code_mask
from compression.storage.entropy_coder import Decoder, Encoder


class RecordingCoder:
    """A coder that records its calls and codes nothing."""

    def __init__(self):
        self.weights, self.num = [], []

    def code(self, weights, *, num, truth):
        self.weights.append(weights)
        self.num.append(num)
        return truth


@pytest.mark.parametrize("phases", [MASK_PHASES, MAGNITUDE_PHASES])
def test_phases_cover_every_place_once(phases):
    period = max(step for _, step in phases)
    places = [place for start, step in phases for place in range(start, period, step)]
    assert sorted(places) == list(range(period))


def stripes(shape, density):
    """Return a mask in which some rows are much denser than others."""
    generator = np.random.default_rng(0)
    rows = np.where(np.arange(shape[0]) % 4 == 0, 3.5 * density, density / 6)
    return (generator.random((shape[0], shape[1] * shape[2])) < rows[:, None]).astype(np.uint8)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 40, 1), (40, 1, 1), (5, 3, 9), (64, 20, 9)])
def test_mask_round_trip(shape):
    truth = stripes(shape, 0.2)
    truth.flat[0] = 1
    encoder = Encoder()
    settings = {"shape": shape, "num_stored": int(truth.sum())}
    assert np.array_equal(code_mask(encoder, truth=truth, **settings), truth)
    decoder = Decoder(encoder.to_bytes(), codec="x")
    assert np.array_equal(code_mask(decoder, truth=None, **settings), truth)
    decoder.finish()


@pytest.mark.parametrize("num_stored", [0, 60])
def test_a_constant_mask_is_not_coded(num_stored):
    coder = RecordingCoder()
    mask = code_mask(coder, shape=(4, 5, 3), num_stored=num_stored, truth=None)
    assert mask.shape == (4, 15)
    assert mask.sum() == num_stored
    assert not coder.num


def test_probabilities_start_at_the_overall_density_and_adapt_to_rows():
    truth, coder = stripes((64, 20, 9), 0.2), RecordingCoder()
    density = truth.mean()
    code_mask(coder, shape=(64, 20, 9), num_stored=int(truth.sum()), truth=truth)
    assert sum(coder.num) == truth.size
    chances = [weights[1] / weights.sum() for weights in coder.weights]
    # At first there is one class, with a prior of 100 weights of the overall density.
    assert coder.num[0] == truth.size // 16
    assert chances[0] == pytest.approx(density)
    assert coder.weights[0].sum() == pytest.approx(100)
    # Counts of earlier phases are added to the prior of a class.
    assert max(weights.sum() for weights in coder.weights) > 100 + truth.size / 20
    assert min(chances[-6:]) < density / 3
    assert max(chances[-6:]) > 2 * density


def test_magnitudes_round_trip_and_adapt_to_rows():
    generator = np.random.default_rng(0)
    rows = np.sort(generator.integers(0, 8, size=20_000))
    truth = np.where(rows < 4, generator.geometric(0.8, 20_000), generator.geometric(0.2, 20_000)).clip(max=31) - 1
    truth = truth.astype(np.uint8)
    settings = {"rows": rows, "num_rows": 8, "num_values": 32, "mean": float(truth.mean())}
    encoder = Encoder()
    code_magnitudes(encoder, truth=truth, **settings)
    data = encoder.to_bytes()
    decoder = Decoder(data, codec="x")
    assert np.array_equal(code_magnitudes(decoder, truth=None, **settings), truth)
    decoder.finish()
    counts = np.bincount(truth)
    counts = counts[counts > 0]
    # Fewer bits than an order-0 coder, which knows the frequencies of magnitudes but not the rows.
    assert len(data) < 0.9 * float((counts * np.log2(counts.sum() / counts)).sum()) / 8

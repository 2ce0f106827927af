import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.quantization.observers import histogram as module
from compression.quantization.observers.histogram import (
    MagnitudeHistogram,
    level_edges,
    merge_bins,
    power_of_two,
    range_exponent,
    sum_between,
)

values = st.floats(-(2.0**100), 2.0**100, width=32) | st.floats(-8, 8, width=32) | st.integers(-8, 8).map(float)


def see(*batches, num_bins=512):
    histogram = MagnitudeHistogram.empty(len(batches[0]), num_bins=num_bins)
    for batch in batches:
        histogram = histogram.add(batch)
    return histogram


def filled(histogram, row=0):
    return {int(k): int(histogram.counts[row, k]) for k in histogram.counts[row].nonzero()}


def assert_equal(one, other):
    assert torch.equal(one.counts, other.counts)
    assert torch.equal(one.num_zeros, other.num_zeros)
    assert torch.equal(one.largest, other.largest)


def test_literals():
    histogram = see(torch.tensor([[3.0, -1.5, 0.0, 1.5, 1.501], [0.0, -0.0, 0.0, 0.0, 0.25]]))
    # Ranges 4 and 0.5: 128 and 1024 bins to the unit.
    assert histogram.width.tolist() == [4 / 512, 0.5 / 512]
    assert filled(histogram) == {192: 3, 384: 1}
    assert filled(histogram, 1) == {256: 1}
    assert histogram.num_zeros.tolist() == [1, 4]
    assert histogram.largest.tolist() == [3, 0.25]
    assert histogram.upper[0, [0, 383, 384, 511]].tolist() == [4 / 512, 3, 3, 3]


def test_a_power_of_two_lies_in_the_range_above_it():
    assert filled(see(torch.tensor([[1.0]]))) == {256: 1}
    assert range_exponent(torch.tensor([0.0, 1.0, 1.5, 2.0, 3e38])).tolist() == [-64, 1, 1, 2, 128]


def test_range_grows_by_merging():
    first = see(torch.tensor([[0.999, 0.5, 0.25 + 1 / 512]]))
    assert filled(first) == {129: 1, 256: 1, 511: 1}
    grown = first.add(torch.tensor([[7.5]]))
    assert filled(grown) == {129 // 8: 1, 256 // 8: 1, 511 // 8: 1, 480: 1}


def test_range_grows_by_more_than_all_bins():
    assert filled(see(torch.tensor([[1e-6, 1e-6]]), torch.tensor([[1e30]]))) == {0: 2, int(1e30 / 2**100 * 512): 1}


def test_extremes_of_float32():
    largest, smallest = torch.finfo(torch.float32).max, 1e-45
    histogram = see(torch.tensor([[largest, -largest], [smallest, 0.0]]))
    assert filled(histogram) == {511: 2}
    assert filled(histogram, 1) == {0: 1}
    assert histogram.num_zeros.tolist() == [0, 1]


@pytest.mark.parametrize("exponent", range(-64, 129))
def test_power_of_two(exponent):
    assert power_of_two(torch.tensor([exponent])).tolist() == [2.0**exponent]


def test_merge_bins_literals():
    counts = torch.tensor([[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]])
    assert merge_bins(counts, shift=torch.tensor([0, 1, 70])).tolist() == [[1, 2, 3, 4], [3, 7, 0, 0], [10, 0, 0, 0]]
    assert merge_bins(counts, shift=torch.zeros(3, dtype=torch.int64)) is counts


def test_sum_between_literals():
    edges = torch.tensor([[[0, 1, 4], [0, 0, 2]], [[1, 3, 3], [0, 2, 4]]])
    sums = sum_between(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), edges)
    assert sums.tolist() == [[[1, 9], [0, 3]], [[13, 0], [11, 15]]]


def test_level_edges_literals():
    # Scale 2 bins: centres 0.5 | 1.5, 2.5 | 3.5, 4.5 | 5.5 and more go to 0, 1, 2 and 3.
    edges = level_edges(torch.tensor([[6.0]]).double(), high=3, end=torch.tensor([[10]]))
    assert edges.tolist() == [[[0, 1, 3, 5, 10]]]


@settings(max_examples=40)
@given(st.floats(1, 64), st.integers(1, 64))
def test_level_edges_round_every_centre(threshold, high):
    edges = level_edges(torch.tensor([[threshold]], dtype=torch.float64), high=high, end=torch.tensor([[64]]))[0, 0]
    levels = torch.searchsorted(edges[1:-1], torch.arange(64), right=True).numpy()
    centres = np.arange(64) + 0.5
    steps = centres * high / threshold
    # As near as the nearest integer of the grid: between two that are equally near, either will do.
    np.testing.assert_allclose(np.abs(steps - levels), np.abs(steps - np.minimum(np.round(steps), high)), atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(values, min_size=1, max_size=5), min_size=1, max_size=6), st.randoms())
def test_order_and_batches_do_not_matter(batches, random):
    shuffled = random.sample(batches, len(batches))
    rows = [torch.tensor([batch]) for batch in batches]
    histogram = see(*rows)
    assert_equal(histogram, see(*(torch.tensor([batch]) for batch in shuffled)))
    assert_equal(histogram, see(torch.cat(rows, dim=1)))
    assert histogram.counts.sum() + histogram.num_zeros == sum(len(batch) for batch in batches)


@settings(max_examples=40, deadline=None)
@given(st.lists(values, min_size=1, max_size=30))
def test_against_numpy(row):
    histogram = see(torch.tensor([row]))
    magnitudes = np.abs(np.array(row, np.float32).astype(np.float64))
    edges = np.arange(513) * histogram.width.item()
    assert histogram.counts[0].tolist() == np.histogram(magnitudes[magnitudes > 0], edges)[0].tolist()


def test_large_batches_are_taken_in_chunks(monkeypatch):
    rows = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
    whole = see(rows)
    monkeypatch.setattr(module, "CHUNK", 1)
    assert_equal(see(rows), whole)


def test_split():
    rows = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    parts = see(rows).split(2)
    assert [len(part.counts) for part in parts] == [2, 2, 1]
    assert_equal(parts[1], see(rows[2:4]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(dtype):
    rows = torch.randn(2, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert_equal(see(rows), see(rows.float()))


def test_the_input_does_not_change():
    rows = torch.tensor([[-1.0, 2.0]], requires_grad=True)
    histogram = see(rows)
    assert rows.tolist() == [[-1, 2]]
    assert not histogram.largest.requires_grad


@pytest.mark.parametrize("num_bins", [0, 256, 1000, 131072, 2048.0, True])
def test_bad_number_of_bins(num_bins):
    with pytest.raises(InputError, match=rf"^num_bins={num_bins}: must be a power of two in \[512, 65536\]$"):
        MagnitudeHistogram.empty(1, num_bins=num_bins)

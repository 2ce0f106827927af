import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from compression.sweep.report.seeds import Noise, Sample, are_tied, pool_noise, quantile_t, rank, summarize


def test_interval_by_hand():
    """2, 4, 6 have mean 4 and deviation sqrt(8 / 2) = 2. With t = 4.3027 the half width is 4.3027 * 2 / sqrt(3)."""
    sample = summarize([2.0, 4.0, 6.0])
    assert (sample.mean, sample.num, sample.deviation) == (4.0, 3, 2.0)
    assert sample.half_width == pytest.approx(4.302652729911275 * 2 / math.sqrt(3))


def test_one_value_has_no_interval():
    assert summarize([0.5]) == Sample(0.5, 1, None, None)


@given(st.lists(st.floats(0, 1, width=16), min_size=2, max_size=8, unique=True))
def test_interval_is_scipys(values):
    sample = summarize(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=sample.mean, scale=stats.sem(values))
    assert sample.half_width == pytest.approx((high - low) / 2, rel=1e-6, abs=1e-15)


def test_pooled_noise_by_hand():
    """Deviations 2 (3 values) and 1 (2 values) give variance (2 * 4 + 1 * 1) / 3 = 3. A single value adds nothing."""
    samples = [Sample(0, 3, 2.0, 1.0), Sample(0, 2, 1.0, 1.0), Sample(0, 1, None, None)]
    assert pool_noise(samples) == Noise(pytest.approx(math.sqrt(3)), 3)
    assert pool_noise(samples[2:]) is None


@pytest.mark.parametrize(
    ("one", "other", "tied"),
    [
        ([10, 11, 12], [11, 12, 13], True),
        ([10, 11, 12], [20, 21, 22], False),
        ([10, 10], [10, 10], True),
        ([10, 10], [11, 11], False),
    ],
)
def test_ties_are_welchs(one, other, tied):
    assert are_tied(summarize(one), summarize(other), noise=None) is tied


def test_ties_at_the_edge_agree_with_scipy():
    first, second = [0.90, 0.92, 0.91, 0.93], [0.91, 0.97, 0.92]
    for shift in (-0.2, -0.1, -0.05, -0.02, 0.0, 0.02, 0.05, 0.1, 0.2):
        moved = [value + shift for value in second]
        expected = stats.ttest_ind(first, moved, equal_var=False).pvalue >= 0.05
        assert are_tied(summarize(first), summarize(moved), noise=None) == expected


def test_single_seeds_borrow_the_noise_of_the_others():
    """With deviation 1 and 4 degrees of freedom t is 2.776, so single values tie up to 2.776 sqrt(2) = 3.926."""
    noise = Noise(1.0, 4)
    assert quantile_t(4) * math.sqrt(2) == pytest.approx(3.926, abs=1e-3)
    assert are_tied(summarize([0.0]), summarize([3.92]), noise=noise)
    assert not are_tied(summarize([0.0]), summarize([3.93]), noise=noise)
    assert not are_tied(summarize([0.0]), summarize([0.01]), noise=None)


def test_places_are_shared_with_the_first_of_the_place_and_count_on():
    noise = Noise(1.0, 4)
    samples = [summarize([value]) for value in (10.0, 9.0, 7.0, 5.0, 0.0)]
    assert rank(samples, noise=noise) == [(1, True), (1, True), (1, True), (4, False), (5, False)]
    assert rank(samples, noise=None) == [(place, False) for place in range(1, 6)]
    assert rank([], noise=None) == []

import numpy as np
import pytest
from scipy.stats import binomtest

from compression.analysis.intervals import mean_share_interval, paired_difference_interval, wilson_interval


def test_wilson_by_hand():
    # Centre (0.8 + z²/20) / (1 + z²/10), half width z sqrt(0.016 + z²/400) / (1 + z²/10), with z² = 3.8415.
    assert wilson_interval(8, images=10) == pytest.approx((0.8, 0.49016, 0.94332), abs=1e-5)


@pytest.mark.parametrize(("hits", "images"), [(0, 1), (1, 1), (0, 1000), (1000, 1000)])
def test_wilson_at_the_ends_has_a_width(hits, images):
    value, low, high = wilson_interval(hits, images=images)
    assert 0 <= low <= value <= high <= 1
    assert high - low == pytest.approx(3.841459 / (images + 3.841459))


def test_one_share_is_agresti_and_coull():
    # For one group, two hits and two misses are added: 10 of 14, ± z sqrt(p (1 - p) / 14).
    found = mean_share_interval(np.array([8]), images=np.array([10]))
    assert found == pytest.approx((0.8, 0.477648, 0.950924), abs=1e-5)


def test_mean_of_two_shares_by_hand():
    # One hit and one miss more in each class: 9 / 12 and 4 / 6, variances 0.015625 and 0.037037.
    found = mean_share_interval(np.array([8, 3]), images=np.array([10, 4]))
    assert found == pytest.approx((0.775, 0.483445, 0.933221), abs=1e-5)


@pytest.mark.parametrize("num", [1, 2, 10, 1000])
@pytest.mark.parametrize("images", [1, 100])
@pytest.mark.parametrize("share", [0, 1])
def test_mean_share_without_variation_still_has_a_width(num, images, share):
    counts = np.full(num, images)
    value, low, high = mean_share_interval(share * counts, images=counts)
    assert value == share
    assert 0 <= low <= value <= high <= 1
    assert high - low > 0


def test_mean_share_covers_the_truth():
    draw = np.random.default_rng(0)
    shares, images = np.array([0.99, 0.9, 0.6, 0.95]), np.array([30, 50, 20, 100])
    intervals = [mean_share_interval(draw.binomial(images, shares), images=images) for _ in range(4000)]
    covered = sum(low <= shares.mean() <= high for _, low, high in intervals)
    assert binomtest(covered, 4000).proportion_ci(0.999).high > 0.95


def test_paired_difference_by_hand():
    # p = 5/102, q = 11/102: -0.058824 ± 1.959964 sqrt((0.156863 - 0.003460) / 102).
    found = paired_difference_interval(worsened=10, improved=4, images=100)
    assert found == pytest.approx((-0.06, -0.134832, 0.017185), abs=1e-5)


@pytest.mark.parametrize(("worsened", "improved", "images"), [(0, 0, 1), (1, 0, 1), (0, 0, 50), (50, 0, 50), (0, 9, 9)])
def test_paired_difference_at_the_ends(worsened, improved, images):
    value, low, high = paired_difference_interval(worsened=worsened, improved=improved, images=images)
    assert -1 <= low <= value <= high <= 1
    assert high - low > 0


def test_paired_difference_covers_the_truth():
    draw = np.random.default_rng(0)
    counts = draw.multinomial(200, [0.05, 0.02, 0.93], size=4000)
    intervals = [paired_difference_interval(worsened=int(w), improved=int(i), images=200) for w, i, _ in counts]
    covered = sum(low <= -0.03 <= high for _, low, high in intervals)
    assert binomtest(covered, 4000).proportion_ci(0.999).high > 0.95

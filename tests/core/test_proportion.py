import pytest
from scipy.stats import binomtest

from compression.core.proportion import wilson_interval


def test_the_interval_of_half_by_hand():
    # p = 0.5, n = 4, z = 1.959964: centre 0.5, half width z sqrt(0.0625 + z^2 / 64) / (1 + z^2 / 4).
    low, high = wilson_interval(2, 4)
    assert (low, high) == pytest.approx((0.15004, 0.84996), abs=1e-5)


@pytest.mark.parametrize(("hits", "total"), [(0, 1), (1, 1), (0, 144), (140, 144), (144, 144), (9806, 10_000)])
def test_the_interval_is_scipys(hits, total):
    wanted = binomtest(hits, total).proportion_ci(0.95, method="wilson")
    assert wilson_interval(hits, total) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert 0 <= wilson_interval(hits, total)[0] <= hits / total <= wilson_interval(hits, total)[1] <= 1


@pytest.mark.parametrize(("hits", "total"), [(0, 0), (-1, 3), (4, 3)])
def test_counts_that_are_no_share_are_refused(hits, total):
    with pytest.raises(ValueError, match="allowed: 0 <= hits <= total"):
        wilson_interval(hits, total)

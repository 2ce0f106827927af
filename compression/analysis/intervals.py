"""Confidence intervals of proportions and of their differences, at 95 %."""

import math
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + LEVEL) / 2)


class Interval(NamedTuple):
    """An estimate and the limits of its 95 % interval."""

    value: float
    low: float
    high: float


# With many classes, few different counts occur, and SciPy computes a test for each.
@lru_cache(maxsize=4096)
def wilson_interval(hits: int, *, images: int) -> Interval:
    """Return the share ``hits / images`` with Wilson's score interval (Wilson, 1927); ``images`` is at least 1."""
    from scipy.stats import binomtest

    limits = binomtest(hits, images).proportion_ci(LEVEL, method="wilson")
    return Interval(hits / images, float(limits.low), float(limits.high))


def mean_share_interval(hits: NDArray[np.int64], *, images: NDArray[np.int64]) -> Interval:
    """Return the mean over groups of ``hits / images`` with the adjusted Wald interval of Price and Bonett (2004).

    For k groups, each gets 2/k additional hits and 2/k additional misses before the normal approximation. So groups
    with one image, or without a miss, do not shrink the interval to nothing. Both arrays are [k] and ``images`` are
    positive.
    """
    num = len(images)
    trials = images + 4 / num
    shares = (hits + 2 / num) / trials
    width = _Z * math.sqrt(float((shares * (1 - shares) / trials).sum())) / num
    centre = float(shares.mean())
    return Interval(float((hits / images).mean()), max(centre - width, 0.0), min(centre + width, 1.0))


def paired_difference_interval(*, worsened: int, improved: int, images: int) -> Interval:
    """Return the difference of two shares on the same images with the interval of Bonett and Price (2012).

    The value is ``(improved - worsened) / images``. The adjusted Wald interval adds one image to each of the two counts
    and two to the total: ``p - q ± z sqrt((p + q - (p - q)²) / (n + 2))`` with ``p = (improved + 1) / (n + 2)`` and
    ``q = (worsened + 1) / (n + 2)``.
    """
    total = images + 2
    gain, loss = (improved + 1) / total, (worsened + 1) / total
    centre = gain - loss
    width = _Z * math.sqrt((gain + loss - centre**2) / total)
    return Interval((improved - worsened) / images, max(centre - width, -1.0), min(centre + width, 1.0))

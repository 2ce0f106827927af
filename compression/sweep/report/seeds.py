"""Statistics over seeds: mean, 95 % interval, pooled noise, ties and places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Sample:
    """Mean of ``num`` values, their standard deviation, and the half width of the mean's 95 % t-interval.

    The last two are None for a single value.
    """

    mean: float
    num: int
    deviation: float | None
    half_width: float | None


@dataclass(frozen=True)
class Noise:
    """Standard deviation among seeds, pooled over configurations with several seeds, and its degrees of freedom."""

    deviation: float
    freedom: int


def quantile_t(freedom: float) -> float:
    """Return the two-sided 95 % quantile of Student's t, e.g. 4.303 for 2 degrees of freedom."""
    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))


def summarize(values: Sequence[float]) -> Sample:
    """Return the sample of ``values``: mean, deviation ``s`` (divided by n - 1), and half width ``t s / sqrt(n)``."""
    assert values, "nothing to summarize"
    num, mean = len(values), math.fsum(values) / len(values)
    if num == 1:
        return Sample(mean=mean, num=1, deviation=None, half_width=None)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (num - 1))
    return Sample(mean, num, deviation, quantile_t(num - 1) * deviation / math.sqrt(num))


def pool_noise(samples: Sequence[Sample]) -> Noise | None:
    """Return the pooled deviation ``sqrt(sum (n_i - 1) s_i^2 / sum (n_i - 1))``; None if no sample has two values."""
    several = [sample for sample in samples if sample.deviation is not None]
    freedom = sum(sample.num - 1 for sample in several)
    if not freedom:
        return None
    variance = math.fsum((sample.num - 1) * (sample.deviation or 0.0) ** 2 for sample in several) / freedom
    return Noise(math.sqrt(variance), freedom)


def are_tied(one: Sample, other: Sample, *, noise: Noise | None) -> bool:
    """Return whether the 95 % interval of the difference of two means contains zero.

    If both samples have several values, it is Welch's interval. Otherwise ``noise`` is the deviation of both; without
    ``noise``, only equal means are tied.
    """
    difference = abs(one.mean - other.mean)
    if one.deviation is not None and other.deviation is not None:
        shares = [one.deviation**2 / one.num, other.deviation**2 / other.num]
        if not sum(shares):
            return difference == 0
        # Welch-Satterthwaite degrees of freedom, computed from shares so that tiny deviations do not underflow.
        weights = [share / sum(shares) for share in shares]
        freedom = 1 / sum(w**2 / (s.num - 1) for w, s in zip(weights, (one, other), strict=True))
        return difference <= quantile_t(freedom) * math.sqrt(sum(shares))
    if noise is None:
        return difference == 0
    return difference <= quantile_t(noise.freedom) * noise.deviation * math.sqrt(1 / one.num + 1 / other.num)


def rank(samples: Sequence[Sample], *, noise: Noise | None) -> list[tuple[int, bool]]:
    """Return the place of each sample, and whether others share it. ``samples`` are sorted by falling mean.

    All samples that follow the first one of a place and are tied with it share the place. The next place starts at the
    first sample that is not tied, and counts all samples before it (1, 1, 3).
    """
    assert all(a.mean >= b.mean for a, b in pairwise(samples)), "the best first"
    places: list[int] = []
    leader = 0
    for index, sample in enumerate(samples):
        if index and not are_tied(samples[leader], sample, noise=noise):
            leader = index
        places.append(leader + 1)
    return [(place, places.count(place) > 1) for place in places]

"""Confidence of right and wrong predictions, calibration error (arXiv:1706.04599) and temperature scaling."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.analysis.predictions import Predictions

NUM_BINS = 15
SURE = 0.9
TEMPERATURES = (0.05, 20.0)
# A flat likelihood differs by rounding only.
_FLAT = 1e-12


@dataclass(frozen=True)
class Bin:
    """The images whose confidence is from ``low`` to below ``high``; the last bin includes 1.

    ``confidence`` and ``accuracy`` are their means, None in a bin without images.
    """

    low: float
    high: float
    images: int
    confidence: float | None
    accuracy: float | None


def bin_confidence(
    confidence: NDArray[np.float64], *, correct: NDArray[np.bool_], num_bins: int = NUM_BINS
) -> list[Bin]:
    """Return the rows of a reliability diagram: ``num_bins`` bins of equal width over [0, 1]; both arrays are [N]."""
    edges = np.linspace(0, 1, num_bins + 1)
    places = np.clip(np.searchsorted(edges, confidence, side="right") - 1, 0, num_bins - 1)
    images = np.bincount(places, minlength=num_bins)
    sums = np.bincount(places, weights=confidence, minlength=num_bins)
    hits = np.bincount(places, weights=correct, minlength=num_bins)
    return [
        Bin(
            low=float(edges[place]),
            high=float(edges[place + 1]),
            images=int(count),
            confidence=float(sums[place] / count) if count else None,
            accuracy=float(hits[place] / count) if count else None,
        )
        for place, count in enumerate(images)
    ]


def expected_calibration_error(bins: list[Bin]) -> float:
    """Return the mean of ``|accuracy - confidence|`` over the bins, weighted by their images."""
    total = sum(one.images for one in bins)
    gaps = (
        one.images * abs(one.accuracy - one.confidence)
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    )
    return math.fsum(gaps) / total


def fit_temperature(held_out: Predictions) -> float:
    """Return the temperature within ``TEMPERATURES`` that minimizes the negative log-likelihood of the labels.

    Where every temperature is equally good (all logits of each image are equal), it is 1. Held-out images without an
    error have their minimum at the lower limit. Source: arXiv:1706.04599.
    """
    from scipy.optimize import minimize_scalar

    logits = np.concatenate(list(held_out.shifted_blocks()))
    of_label = logits[np.arange(len(logits)), held_out.labels]
    scaled = np.empty_like(logits)

    def loss(log_temperature: float) -> float:
        temperature = math.exp(log_temperature)
        np.exp(np.divide(logits, temperature, out=scaled), out=scaled)
        return float((np.log(scaled.sum(axis=1)) - of_label / temperature).mean())

    low, high = (math.log(limit) for limit in TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    at_limits = {limit: loss(math.log(limit)) for limit in TEMPERATURES}
    best = min(at_limits, key=lambda limit: at_limits[limit])
    if max(*at_limits.values(), loss(0.0)) - min(found.fun, at_limits[best]) < _FLAT:
        return 1.0
    # The search stops just short of a limit, so the limits are tried too.
    return best if at_limits[best] <= found.fun else math.exp(found.x)


def most_confident_errors(predictions: Predictions, *, limit: int) -> NDArray[np.int64]:
    """Return the indices of at most ``limit`` wrongly classified images, the most confident first."""
    wrong = np.flatnonzero(~predictions.correct)
    return wrong[np.argsort(-predictions.confidence[wrong], kind="stable")][:limit]

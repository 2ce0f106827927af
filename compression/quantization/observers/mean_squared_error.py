"""The mean squared error observer, which balances clipping and rounding errors (Choukroun et al., arXiv:1902.06822)."""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers.histogram import MagnitudeHistogram, level_edges, sum_between
from compression.quantization.observers.histogram_observer import HistogramObserver
from compression.quantization.observers.observer_checks import check_candidates


def squared_errors(histogram: MagnitudeHistogram, thresholds: Tensor, *, high: int) -> Tensor:
    """Return the squared error of each row at ``thresholds: [R, C]``, float64 ``[R, C]``, up to a constant per row.

    The error is ``sum_k count_k * (v_k - q_k)^2`` over bins k with centre ``v_k``, rounded to
    ``q_k = scale * min(round(v_k / scale), high)``. Bins with the same q are added up as
    ``q^2 * sum(count) - 2 * q * sum(count * v)``. The term ``sum(count * v^2)`` is left out, because it does not depend
    on the threshold.
    """
    width = histogram.width[:, None]
    lower = torch.arange(histogram.num_bins, dtype=torch.float64) * width
    counts = histogram.counts.double()
    moments = counts * (lower + histogram.upper) / 2
    end = torch.full(thresholds.shape, histogram.num_bins)
    edges = level_edges(thresholds / width, high=high, end=end)
    levels = thresholds[..., None] * (torch.arange(high + 1, dtype=torch.float64) / high)
    return (levels * (levels * sum_between(counts, edges) - 2 * sum_between(moments, edges))).sum(dim=-1)


def mean_squared_error_threshold(histogram: MagnitudeHistogram, *, high: int, num_candidates: int) -> Tensor:
    """Return the threshold with the smallest squared error of each row, float64 ``[R]``; the largest one among equals.

    Candidates are ``i / num_candidates * max |x|`` for i from 1 to ``num_candidates``.
    """
    # Candidates fall from the largest, because the first of equal errors is found.
    steps = torch.arange(num_candidates, 0, -1, dtype=torch.float64)
    thresholds = histogram.largest.double()[:, None] * steps / num_candidates
    best = squared_errors(histogram, thresholds, high=high).argmin(dim=1, keepdim=True)
    return thresholds.gather(1, best).squeeze(1)


class MeanSquaredError(HistogramObserver):
    """An observer that takes the threshold with the smallest squared error.

    Candidates are ``num_candidates`` even steps up to the largest magnitude.
    """

    def __init__(self, *, num_candidates: int = 100) -> None:
        super().__init__()
        self.num_candidates = check_candidates(num_candidates)

    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:
        """Return the threshold with the smallest squared error of each row, float64 ``[R]``."""
        return mean_squared_error_threshold(histogram, high=grid.high, num_candidates=self.num_candidates)

"""The entropy observer: the threshold with the smallest KL divergence between values and rounded values.

This is the calibration of TensorRT (Migacz, GTC 2017) and MXNet, described in arXiv:2004.09602.
"""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers.histogram import MagnitudeHistogram, level_edges, sum_between
from compression.quantization.observers.histogram_observer import HistogramObserver
from compression.quantization.observers.observer_checks import check_candidates

# Divergences this close count as equal: with few values they are 0, up to float rounding.
TOLERANCE = 1e-9


def divergences(counts: Tensor, num_kept: Tensor, *, high: int) -> Tensor:
    """Return ``KL(P || Q)`` of each row at each threshold, float64 ``[R, C]``.

    ``num_kept: [R, C]``, int64, is the number of bins of ``counts: [R, bins]`` below the threshold. P holds the counts
    of these bins, with all counts above the threshold added to the last one. For Q, the counts without this addition
    are rounded: the bins whose centres round to the same integer of ``0..high`` share their sum evenly, except those in
    which P is empty. Both are normalized to 1. The divergence is infinite where Q is 0 and P is not:

        KL = sum_k P_k * log(P_k / Q_k)
    """
    values = counts.double()
    last = (num_kept - 1).clamp(min=0)
    last_count, kept = values.gather(1, last), values.cumsum(dim=1).gather(1, last)
    total = values.sum(dim=1, keepdim=True)
    outliers = total - kept

    edges = level_edges(num_kept.double(), high=high, end=num_kept)
    sums = sum_between(values, edges)
    filled = sum_between((values > 0).double(), edges)
    clipped = sums.clone()
    clipped[..., -1] += outliers
    filled[..., -1] += (last_count == 0) & (outliers > 0)

    # sum P log P is taken bin by bin; sum P log Q integer by integer, because Q is constant within an integer.
    own = torch.xlogy(values, values).cumsum(dim=1).gather(1, last)
    own += torch.xlogy(last_count + outliers, last_count + outliers) - torch.xlogy(last_count, last_count)
    cross = torch.xlogy(clipped, sums / filled.clamp(min=1)).sum(dim=-1)
    divergence = (own - cross) / total + kept.log() - total.log()
    return torch.where(kept > 0, divergence, torch.inf)


def entropy_threshold(histogram: MagnitudeHistogram, *, high: int, num_candidates: int) -> Tensor:
    """Return the threshold with the smallest divergence of each row, float64 ``[R]``; the largest one among equals.

    Candidates keep ``i / num_candidates`` of the used bins, rounded up, and have at least one bin for every integer;
    the full range is always a candidate. Zeros are left out: every grid represents them exactly, and after a ReLU they
    would dominate the distribution.
    """
    width = histogram.width
    num_used = (histogram.largest.double() / width).floor().long()[:, None] + 1
    # Candidates fall from the largest, because the first of equal divergences is taken.
    steps = torch.arange(num_candidates, 0, -1)
    num_kept = (steps * num_used + num_candidates - 1) // num_candidates
    divergence = divergences(histogram.counts, num_kept, high=high)
    divergence[:, 1:].masked_fill_(num_kept[:, 1:] <= high, torch.inf)
    least = divergence.amin(dim=1, keepdim=True)
    first = (divergence <= least + TOLERANCE).byte().argmax(dim=1, keepdim=True)
    return torch.minimum(num_kept.gather(1, first).squeeze(1) * width, histogram.largest.double())


class Entropy(HistogramObserver):
    """An observer that takes the threshold with the smallest KL divergence.

    Candidates are ``num_candidates`` even steps up to the largest magnitude. The histogram needs more bins than
    integers to show the effect of rounding, so it has 4 times as many bins as those of other observers. With so few
    values that each has a separate bin, rounding seems free, and nothing is clipped. The divergence hardly rises when a
    sum is spread over many bins, even if the integers are far apart. So with fewer bits, the observer clips too little.
    """

    def __init__(self, *, num_bins: int = 8192, num_candidates: int = 1000) -> None:
        super().__init__(num_bins=num_bins)
        self.num_candidates = check_candidates(num_candidates)

    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:
        """Return the threshold with the smallest divergence of each row, float64 ``[R]``."""
        return entropy_threshold(histogram, high=grid.high, num_candidates=self.num_candidates)

"""Entropy: the clipped and rounded values tell most about the distribution of the values (KL divergence).

The calibration of TensorRT (Migacz, GTC 2017) and MXNet; described in arXiv:2004.09602.
"""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers.histogram import MagnitudeHistogram, level_edges, sum_between
from compression.quantization.observers.histogram_observer import HistogramObserver
from compression.quantization.observers.observer_checks import check_candidates

# Divergences this close are equal: they are 0 but for rounding where few values are seen.
TOLERANCE = 1e-9


def divergences(counts: Tensor, num_kept: Tensor, *, high: int) -> Tensor:
    """Return ``KL(P || Q)`` of each row at each threshold, float64 ``[R, C]``; infinite where P has what Q has not.

    ``num_kept: [R, C]``, int64, are the bins of ``counts: [R, bins]`` below the threshold. P are their counts, with all
    that lies above added to the last of them. For Q the counts, without what was added, are rounded: bins whose centres
    go to the same integer of ``0..high`` have their sum spread evenly over those of them that P has anything in. Both
    are normalized to 1:

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

    # sum P log P bin by bin, then sum P log Q integer by integer: within one, Q has a single value.
    own = torch.xlogy(values, values).cumsum(dim=1).gather(1, last)
    own += torch.xlogy(last_count + outliers, last_count + outliers) - torch.xlogy(last_count, last_count)
    cross = torch.xlogy(clipped, sums / filled.clamp(min=1)).sum(dim=-1)
    divergence = (own - cross) / total + kept.log() - total.log()
    return torch.where(kept > 0, divergence, torch.inf)


def entropy_threshold(histogram: MagnitudeHistogram, *, high: int, num_candidates: int) -> Tensor:
    """Return the threshold of least divergence of each row, float64 ``[R]``; of equal ones the largest.

    Candidates are ``i / num_candidates`` of the bins that are used, rounded up, that have a bin for every integer.
    Zeros are left out: they stay what they are on any grid, and after a ReLU they would drown all else.
    """
    width = histogram.width
    num_used = (histogram.largest.double() / width).floor().long()[:, None] + 1
    # From the largest down: of equal divergences, the first is taken.
    steps = torch.arange(num_candidates, 0, -1)
    num_kept = (steps * num_used + num_candidates - 1) // num_candidates
    divergence = divergences(histogram.counts, num_kept, high=high)
    divergence[:, 1:].masked_fill_(num_kept[:, 1:] <= high, torch.inf)
    least = divergence.amin(dim=1, keepdim=True)
    first = (divergence <= least + TOLERANCE).byte().argmax(dim=1, keepdim=True)
    return torch.minimum(num_kept.gather(1, first).squeeze(1) * width, histogram.largest.double())


class Entropy(HistogramObserver):
    """Takes the threshold of least divergence, of ``num_candidates`` even steps up to the largest magnitude.

    It needs more bins than integers to see what rounding does, so 4 times as many as the other observers have. With so
    few values that each has a bin of its own, rounding looks free, and nothing is clipped. To spread a sum over many
    bins costs it little even where the integers are far apart: the fewer the bits, the more it clips too little.
    """

    def __init__(self, *, num_bins: int = 8192, num_candidates: int = 1000) -> None:
        super().__init__(num_bins=num_bins)
        self.num_candidates = check_candidates(num_candidates)

    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:
        """Return the threshold of least divergence of each row, ``[R]``."""
        return entropy_threshold(histogram, high=grid.high, num_candidates=self.num_candidates)

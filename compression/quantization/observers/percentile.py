"""Percentile: the few largest magnitudes are clipped, so that the others are rounded more finely (arXiv:2004.09602)."""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers.histogram import MagnitudeHistogram
from compression.quantization.observers.histogram_observer import HistogramObserver
from compression.quantization.observers.observer_checks import check_positive


def percentile_threshold(histogram: MagnitudeHistogram, *, percentile: float) -> Tensor:
    """Return the magnitude below which ``percentile`` % of the values of each row lie, zeros too: float64 ``[R]``.

    Inside a bin values count as evenly spread, and zeros belong to the first: where they alone make up the percentage,
    the threshold lies in that bin, and almost all else is clipped.
    """
    counts = histogram.counts.clone()
    counts[:, 0] += histogram.num_zeros
    up_to = counts.cumsum(dim=1)
    wanted = up_to[:, -1:].double() * (percentile / 100)
    # The product may be rounded up, past the last value.
    wanted = wanted.clamp(max=up_to[:, -1:].double())
    found = torch.searchsorted(up_to.double(), wanted)
    count, before = counts.gather(1, found), (up_to - counts).gather(1, found)
    lower, upper = found * histogram.width[:, None], histogram.upper.gather(1, found)
    return (lower + (wanted - before) / count * (upper - lower)).squeeze(1)


class Percentile(HistogramObserver):
    """Takes the magnitude below which ``percentile`` % of all values lie as threshold."""

    def __init__(self, *, percentile: float = 99.99) -> None:
        super().__init__()
        self.percentile = check_positive(percentile, key="percentile", most=100)

    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:  # noqa: ARG002
        """Return the percentile of each row, ``[R]``."""
        return percentile_threshold(histogram, percentile=self.percentile)

"""The percentile observer, which clips the few largest magnitudes to round the rest more finely (arXiv:2004.09602)."""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers.histogram import MagnitudeHistogram
from compression.quantization.observers.histogram_observer import HistogramObserver
from compression.quantization.observers.observer_checks import check_positive


def percentile_threshold(histogram: MagnitudeHistogram, *, percentile: float) -> Tensor:
    """Return the magnitude below which ``percentile`` % of the values of each row lie, float64 ``[R]``.

    Values are assumed to be evenly spread within a bin. Zeros are counted, in the first bin. If zeros alone make up the
    percentage, the threshold lies in the first bin, and almost all other values are clipped.
    """
    counts = histogram.counts.clone()
    counts[:, 0] += histogram.num_zeros
    up_to = counts.cumsum(dim=1)
    wanted = up_to[:, -1:].double() * (percentile / 100)
    # The product may be rounded up to more than the number of values.
    wanted = wanted.clamp(max=up_to[:, -1:].double())
    found = torch.searchsorted(up_to.double(), wanted)
    count, before = counts.gather(1, found), (up_to - counts).gather(1, found)
    lower, upper = found * histogram.width[:, None], histogram.upper.gather(1, found)
    return (lower + (wanted - before) / count * (upper - lower)).squeeze(1)


class Percentile(HistogramObserver):
    """An observer whose threshold is the magnitude below which ``percentile`` % of all values lie, zeros included."""

    def __init__(self, *, percentile: float = 99.99) -> None:
        super().__init__()
        self.percentile = check_positive(percentile, key="percentile", most=100)

    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:  # noqa: ARG002
        """Return the percentile of the magnitudes of each row, float64 ``[R]``."""
        return percentile_threshold(histogram, percentile=self.percentile)

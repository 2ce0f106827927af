"""What the observers that go by a histogram share: only the threshold is theirs."""

from abc import abstractmethod

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers import Observer, scale_of
from compression.quantization.observers.histogram import NUM_BINS, MagnitudeHistogram, check_num_bins
from compression.quantization.observers.observer_checks import check_seen

# Rows whose thresholds are worked out at a time: sums over rows, candidates and integers take memory.
ROWS_AT_ONCE = 16


class HistogramObserver(Observer):
    """Keeps a histogram, from which a subclass works out the threshold."""

    def __init__(self, *, num_bins: int = NUM_BINS) -> None:
        self.num_bins = check_num_bins(num_bins)
        self._histogram: MagnitudeHistogram | None = None

    @abstractmethod
    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:
        """Return the magnitude of each row that is to be ``high``: float64 ``[R]``, 0 for a row of zeros."""

    def observe(self, rows: Tensor) -> None:
        """Take in ``rows: [R, N]``."""
        if self._histogram is None:
            self._histogram = MagnitudeHistogram.empty(rows.shape[0], num_bins=self.num_bins, device=rows.device)
        self._histogram = self._histogram.add(rows)

    def scale(self, grid: Grid) -> Tensor:
        """Return ``threshold / high`` of each row, float32 ``[R]``; raises ``InputError`` before any batch."""
        histogram = check_seen(self._histogram, observer=self)
        # A histogram is small, and running sums on the CPU are the same every time.
        thresholds = [self.threshold(part, grid) for part in histogram.cpu().split(ROWS_AT_ONCE)]
        return scale_of(torch.cat(thresholds), grid).to(histogram.counts.device)

"""The common part of observers that derive a threshold from a histogram."""

from abc import abstractmethod

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers import Observer, scale_of
from compression.quantization.observers.histogram import NUM_BINS, MagnitudeHistogram, check_num_bins
from compression.quantization.observers.observer_checks import check_seen

# Thresholds are computed for so many rows at once, because sums over rows, candidates and integers take memory.
ROWS_AT_ONCE = 16


class HistogramObserver(Observer):
    """An observer that keeps a histogram; a subclass computes the threshold from it."""

    def __init__(self, *, num_bins: int = NUM_BINS) -> None:
        self.num_bins = check_num_bins(num_bins)
        self._histogram: MagnitudeHistogram | None = None

    @abstractmethod
    def threshold(self, histogram: MagnitudeHistogram, grid: Grid) -> Tensor:
        """Return the magnitude that becomes the integer ``high``, float64 ``[R]``; 0 for a row of zeros."""

    def observe(self, rows: Tensor) -> None:
        """Add the values ``rows: [R, N]`` to the histogram."""
        if self._histogram is None:
            self._histogram = MagnitudeHistogram.empty(rows.shape[0], num_bins=self.num_bins, device=rows.device)
        self._histogram = self._histogram.add(rows)

    def scale(self, grid: Grid) -> Tensor:
        """Return ``threshold / high`` of each row, float32 ``[R]``; raises ``InputError`` before any batch."""
        histogram = check_seen(self._histogram, observer=self)
        # A histogram is small, and cumulative sums on the CPU are deterministic.
        thresholds = [self.threshold(part, grid) for part in histogram.cpu().split(ROWS_AT_ONCE)]
        return scale_of(torch.cat(thresholds), grid).to(histogram.counts.device)

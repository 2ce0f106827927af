"""The min-max observer: the threshold is the largest magnitude, so nothing is clipped."""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.observers import Observer, scale_of
from compression.quantization.observers.observer_checks import check_seen


def largest_magnitudes(rows: Tensor) -> Tensor:
    """Return ``max |x|`` of each row of ``rows: [R, N]``, float32 ``[R]``."""
    low, high = rows.detach().aminmax(dim=1)
    return torch.maximum(-low, high).float()


class MinMax(Observer):
    """An observer that takes the largest magnitude of all batches as the threshold."""

    def __init__(self) -> None:
        self._largest: Tensor | None = None

    def observe(self, rows: Tensor) -> None:
        """Add the values ``rows: [R, N]``."""
        largest = largest_magnitudes(rows)
        self._largest = largest if self._largest is None else torch.maximum(self._largest, largest)

    def scale(self, grid: Grid) -> Tensor:
        """Return ``max |x| / high`` of each row, float32 ``[R]``; raises ``InputError`` before any batch."""
        return scale_of(check_seen(self._largest, observer=self), grid)

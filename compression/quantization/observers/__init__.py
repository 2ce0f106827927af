"""Observers, which derive the scale of a grid from values; one method per file."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from compression.quantization.grid import Grid

# Products of two smaller scales would underflow in float32.
MIN_SCALE = 2.0**-40


class Observer(ABC):
    """An object that sees values in any number of batches, in bounded memory, and then returns their scales.

    The values of a row share one scale. An activation is one row; a weight has one row per output channel.
    """

    @abstractmethod
    def observe(self, rows: Tensor) -> None:
        """Add the values ``rows: [R, N]``, which must be finite; R is the same in every call."""

    @abstractmethod
    def scale(self, grid: Grid) -> Tensor:
        """Return the scale of each row, float32 ``[R]``, above 0."""


def scale_of(threshold: Tensor, grid: Grid) -> Tensor:
    """Return the scales ``threshold / high``, float32 ``[R]``, for magnitudes up to ``threshold: [R]``.

    A row of zeros gets the scale 1, because every grid represents it exactly.
    """
    scale = (threshold.double() / grid.high).float()
    return torch.where(threshold > 0, scale.clamp(min=MIN_SCALE), torch.ones_like(scale))

"""Observers: from the values that are seen to the scale of their grid, one idea a file."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from compression.quantization.grid import Grid

# Below this, products of two scales would leave float32.
MIN_SCALE = 2.0**-40


class Observer(ABC):
    """Sees values in any number of batches, in bounded memory, and then says their scale.

    A row is what shares a scale: one for a whole activation, one a channel for weights.
    """

    @abstractmethod
    def observe(self, rows: Tensor) -> None:
        """Take in ``rows: [R, N]``, finite; R is the same at every call."""

    @abstractmethod
    def scale(self, grid: Grid) -> Tensor:
        """Return the scale of each row, float32 ``[R]``, above 0."""


def scale_of(threshold: Tensor, grid: Grid) -> Tensor:
    """Return ``threshold / high``, float32, for magnitudes up to ``threshold: [R]``.

    A row of zeros gets 1: any grid holds it.
    """
    scale = (threshold.double() / grid.high).float()
    return torch.where(threshold > 0, scale.clamp(min=MIN_SCALE), torch.ones_like(scale))

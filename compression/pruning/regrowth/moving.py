"""Moving of weights: the smallest are dropped and the same number grown elsewhere (Evci et al., arXiv:1911.11134)."""

import math

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.ranking import lowest


def drop_fraction(progress: float, *, initial: float) -> float:
    """Return the fraction of kept weights to move, ``a / 2 * (1 + cos(pi * t))``.

    a is the ``initial`` fraction and t the ``progress`` from 0 to 1. The result falls from a to 0.
    """
    return initial / 2 * (1 + math.cos(math.pi * progress))


def move_mask(weight: Tensor, *, mask: Tensor, growth: Tensor, fraction: float) -> Tensor:
    """Return a mask that keeps the same number of weights as ``mask``, with some of them moved.

    First the ``round(fraction * kept)`` kept weights of smallest ``|w|`` are dropped, at most as many as are pruned.
    Then the same number of highest ``growth`` is grown among all weights that are not kept, including the dropped ones,
    as in the authors' code. Among equal values the first in order are dropped and grown first. All tensors have the
    shape of ``weight``.
    """
    kept, num_kept = mask.flatten(), int(mask.sum())
    num_moved = min(round(fraction * num_kept), mask.numel() - num_kept)
    size = weight.detach().flatten().abs()
    staying = kept & ~lowest(torch.where(kept, size, torch.inf), num_moved)
    grown = lowest(torch.where(staying, torch.inf, -growth.flatten()), num_moved)
    return (staying | grown).view(mask.shape)


def check_fraction(fraction: float) -> float:
    """Return ``fraction`` if it is a number in (0, 1]; raise ``InputError`` otherwise."""
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction <= 1:
        raise InputError(f"strategy.regrowth.fraction={fraction}: must be in (0, 1]")
    return fraction

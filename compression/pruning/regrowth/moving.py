"""Moving weights: the smallest are dropped, and as many grown elsewhere (Evci et al., arXiv:1911.11134)."""

import math

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.ranking import lowest


def drop_fraction(progress: float, *, initial: float) -> float:
    """Return ``a / 2 * (1 + cos(pi * t))``: a, the initial fraction, at ``progress`` t = 0, and 0 at 1."""
    return initial / 2 * (1 + math.cos(math.pi * progress))


def move_mask(weight: Tensor, *, mask: Tensor, growth: Tensor, fraction: float) -> Tensor:
    """Return a mask with as many kept as ``mask``, of which ``fraction`` may have moved.

    ``round(fraction * kept)`` kept weights of smallest ``|w|`` are dropped, at most as many as are pruned. As many of
    highest ``growth`` are grown among those that are then not kept, the dropped ones included as in the authors' code.
    Among equals the first in order go, and come, first. All tensors are of the weight's shape.
    """
    kept, num_kept = mask.flatten(), int(mask.sum())
    num_moved = min(round(fraction * num_kept), mask.numel() - num_kept)
    size = weight.detach().flatten().abs()
    staying = kept & ~lowest(torch.where(kept, size, torch.inf), num_moved)
    grown = lowest(torch.where(staying, torch.inf, -growth.flatten()), num_moved)
    return (staying | grown).view(mask.shape)


def check_fraction(fraction: float) -> float:
    """Return ``fraction`` if it is in (0, 1]."""
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction <= 1:
        raise InputError(f"strategy.regrowth.fraction={fraction}: must be in (0, 1]")
    return fraction

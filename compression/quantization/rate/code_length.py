"""How many bits an entropy coder needs for integers: what makes rounding aware of the rate."""

from collections.abc import Callable

import torch
from torch import Tensor

# (integers ``[O, K]``, the largest magnitude M) -> bits of each of the integers -M .. M, ``[2M + 1]``, or
# ``[O, 2M + 1]`` for a coder that knows of rows.
Cost = Callable[[Tensor, int], Tensor]

# Counted beside what was seen, so that no integer costs infinitely much, and few get cheap that never came.
_UNSEEN = 0.1


def order0_cost(integers: Tensor, max_level: int) -> Tensor:
    """Return ``-log2 p(q)`` of each integer q, with p how often it is among ``integers``."""
    counts = _counts(integers, max_level) + _UNSEEN
    return -(counts / counts.sum()).log2().float()


def code_bits(integers: Tensor) -> float:
    """Return ``n H``, the bits of an ideal coder that knows how often each integer comes, and of no context."""
    counts = _counts(integers, int(integers.abs().max()) if integers.numel() else 0)
    counts = counts[counts > 0]
    return float(-(counts * (counts / counts.sum()).log2()).sum())


def _counts(integers: Tensor, max_level: int) -> Tensor:
    return torch.bincount(integers.flatten().long() + max_level, minlength=2 * max_level + 1).double()

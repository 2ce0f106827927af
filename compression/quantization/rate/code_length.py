"""Code lengths: the number of bits that an entropy coder needs for integers."""

from collections.abc import Callable

import torch
from torch import Tensor

# (integers ``[O, K]``, the largest magnitude M) -> bits of each of the integers -M .. M, ``[2M + 1]``.
Cost = Callable[[Tensor, int], Tensor]

# Pseudo-counts, so that no integer has infinite cost, and so that unseen integers rarely become cheap.
_UNSEEN = 0.1


def order0_cost(integers: Tensor, max_level: int) -> Tensor:
    """Return the bits ``-log2 p(q)`` of each integer q from ``-max_level`` to ``max_level``, ``[2 * max_level + 1]``.

    p is the frequency among ``integers: [O, K]``, with 0.1 added to each count.
    """
    counts = _counts(integers, max_level) + _UNSEEN
    return -(counts / counts.sum()).log2().float()


def code_bits(integers: Tensor) -> float:
    """Return ``n H``, the bits of an ideal coder that knows the frequency of each integer and uses no context."""
    counts = _counts(integers, int(integers.abs().max()) if integers.numel() else 0)
    counts = counts[counts > 0]
    return float(-(counts * (counts / counts.sum()).log2()).sum())


def _counts(integers: Tensor, max_level: int) -> Tensor:
    return torch.bincount(integers.flatten().long() + max_level, minlength=2 * max_level + 1).double()

"""Exact selection of the lowest scores, also where scores tie."""

import torch
from torch import Tensor


def lowest(scores: Tensor, count: int) -> Tensor:
    """Return a bool mask of the ``count`` lowest of ``scores: [N]``; among equal scores the first in order go first.

    Linear in N, and exact where a threshold alone would take too many or too few.
    """
    assert 0 <= count <= scores.numel()
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    threshold = torch.kthvalue(scores, count).values
    chosen = scores < threshold
    ties = (scores == threshold).nonzero().flatten()
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen

"""Exact selection of the lowest scores, also among equal scores."""

import torch
from torch import Tensor


def lowest(scores: Tensor, count: int) -> Tensor:
    """Return a bool mask ``[N]`` of the ``count`` lowest of ``scores: [N]``.

    Among equal scores the first in order are chosen, so the number is exact; a threshold alone would choose too many or
    too few. Takes time linear in N.
    """
    assert 0 <= count <= scores.numel()
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    threshold = torch.kthvalue(scores, count).values
    chosen = scores < threshold
    ties = (scores == threshold).nonzero().flatten()
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen

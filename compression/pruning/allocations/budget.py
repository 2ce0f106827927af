"""Global ranking under a budget: weights of unequal cost compete until the budget is spent (arXiv:2403.07094)."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.ranking import lowest


def budget_floors(
    scores: Mapping[str, Tensor], *, budget: int, floor: float, costs: Mapping[str, int]
) -> dict[str, int]:
    """Return the minimum that each layer keeps: on average ``floor`` weights per output channel, at least one weight.

    If the floors together cost more than half of ``budget``, they are lowered in proportion, as in ``layer_floors``.
    """
    wanted = {name: max(1, math.floor(min(s.numel(), floor * s.shape[0]))) for name, s in scores.items()}
    room = max(0, budget // 2 - sum(costs[name] for name in wanted))
    extra = sum((count - 1) * costs[name] for name, count in wanted.items())
    share = min(1.0, room / extra) if extra else 1.0
    return {name: 1 + math.floor(share * (count - 1)) for name, count in wanted.items()}


def budget_num_kept(
    scores: Mapping[str, Tensor], *, budget: int, floors: Mapping[str, int], costs: Mapping[str, int]
) -> dict[str, int]:
    """Return how many weights each layer keeps if the highest scores of the model are kept while ``budget`` lasts.

    The kept weights cost at most ``budget``, and the next weight of the ranking would exceed it. The highest scores of
    each layer, as many as its floor, are kept first. With equal floors, no layer keeps more under a smaller budget.
    Among equal scores the first in order are pruned. The floors must not cost more than ``budget``.
    """
    competing, prices = [], []
    for name, score in scores.items():
        flat = score.flatten().to(torch.promote_types(score.dtype, torch.float32))
        below = lowest(flat, flat.numel() - floors[name])
        competing.append(torch.where(below, flat, torch.inf))
        prices.append(torch.full_like(flat, costs[name], dtype=torch.int64))
    assert sum(floors[name] * costs[name] for name in scores) <= budget
    everything = torch.cat(competing)
    from_highest = everything.argsort(stable=True).flip(0)
    spent = torch.cat(prices)[from_highest].cumsum(0)
    kept = torch.zeros_like(everything, dtype=torch.bool)
    kept[from_highest[spent <= budget]] = True
    # The rest of an earlier budget may pay for a cheap weight that was pruned then.
    kept &= everything > -torch.inf
    parts = kept.split([score.numel() for score in scores.values()])
    return {name: int(part.sum()) for name, part in zip(scores, parts, strict=True)}

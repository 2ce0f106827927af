"""LAMP: one ranking of all weights, each relative to the larger weights of its layer (arXiv:2010.07611)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.allocations import check_floor
from compression.pruning.allocations.global_ import global_num_kept


def lamp_scores(scores: Tensor) -> Tensor:
    """Return ``s_u^2 / sum of s_v^2`` for each unit u of a layer, float64 in the shape of ``scores``.

    The sum is over all units v of the layer with s_v >= s_u; among equal scores, over u and the later ones. Negative
    scores count as 0, and a layer of zeros gives zeros. The score -inf of a pruned unit stays -inf.
    """
    flat = scores.detach().flatten().double()
    squares = flat.clamp(min=0).square()
    order = flat.argsort(stable=True)
    ascending = squares[order]
    outliving = ascending.flip(0).cumsum(0).flip(0)
    ratios = torch.where(outliving > 0, ascending / outliving.clamp(min=torch.finfo(torch.float64).tiny), 0)
    result = torch.empty_like(flat).scatter_(0, order, ratios)
    return result.masked_fill_(flat == -torch.inf, -torch.inf).view(scores.shape)


class Lamp:
    """Allocation by one ranking of the LAMP scores of all weights, with a floor per output channel."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:  # noqa: ARG002
        """Return how many units each layer keeps."""
        lamp = {name: lamp_scores(score) for name, score in scores.items()}
        return global_num_kept(lamp, num_kept=num_kept, floor=self.floor)

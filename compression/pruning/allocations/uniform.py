"""Uniform: every layer gets the same sparsity."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.allocations import check_floor, count_kept, layer_floors
from compression.pruning.ranking import lowest


def uniform_num_kept(sizes: Mapping[str, int], num_pruned: int, *, floors: Mapping[str, int]) -> dict[str, int]:
    """Return kept weights per layer, ``num_pruned`` shared in proportion to size and exact in sum.

    The i-th weight that a layer of n gives up has rank (i + 1/2) / n, and the lowest ranks of all layers go. Unlike
    rounding by largest remainder this is monotone: a higher sparsity never gives a layer a weight back. What is below
    a layer's floor is never given up.
    """
    ranks = []
    for name, size in sizes.items():
        rank = torch.arange(size, dtype=torch.float64).add(0.5).div(size)
        rank[size - floors[name] :] = torch.inf
        ranks.append(rank)
    parts = lowest(torch.cat(ranks), num_pruned).split(list(sizes.values()))
    return {name: part.numel() - int(part.sum()) for name, part in zip(sizes, parts, strict=True)}


class Uniform:
    """Gives every layer the same sparsity."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], sparsity: float) -> dict[str, int]:
        """Return kept weights per layer."""
        kept = count_kept(scores, sparsity)
        sizes = {name: score.numel() for name, score in scores.items()}
        floors = layer_floors(scores, kept, self.floor)
        return uniform_num_kept(sizes, sum(sizes.values()) - kept, floors=floors)

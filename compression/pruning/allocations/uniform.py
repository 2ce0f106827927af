"""Uniform: every layer gets the same sparsity."""

import math
from collections.abc import Mapping

from torch import Tensor

from compression.pruning.allocations import check_floor, count_kept, layer_floors


def uniform_num_kept(sizes: Mapping[str, int], num_pruned: int, *, floors: Mapping[str, int]) -> dict[str, int]:
    """Return kept weights per layer, ``num_pruned`` shared in proportion to size and exact in sum.

    Whole numbers by largest remainder; a layer at its floor passes its share on to the others.
    """
    room = {name: size - floors[name] for name, size in sizes.items()}
    pruned = dict.fromkeys(sizes, 0)
    open_layers = list(sizes)
    left = num_pruned
    while True:
        total = sum(sizes[name] for name in open_layers)
        share = {name: left * sizes[name] / total for name in open_layers}
        full = [name for name in open_layers if share[name] > room[name]]
        if not full:
            break
        for name in full:
            pruned[name] = room[name]
            left -= room[name]
            open_layers.remove(name)
    pruned.update({name: math.floor(share[name]) for name in open_layers})
    missing = num_pruned - sum(pruned.values())
    by_remainder = sorted(open_layers, key=lambda name: math.floor(share[name]) - share[name])
    for name in by_remainder[:missing]:
        pruned[name] += 1
    return {name: size - pruned[name] for name, size in sizes.items()}


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

"""Uniform: the same sparsity for every layer."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.allocations import check_floor, layer_floors
from compression.pruning.allocations.proportional import proportional_num_kept


def uniform_num_kept(scores: Mapping[str, Tensor], *, num_kept: int, floor: float) -> dict[str, int]:
    """Return how many units each layer keeps: ``num_kept`` in proportion to size, but at least each layer's floor."""
    sizes = {name: score.numel() for name, score in scores.items()}
    floors = layer_floors(scores, num_kept, floor)
    return proportional_num_kept(sizes, shares=sizes, num_kept=num_kept, floors=floors)


class Uniform:
    """Allocation with the same sparsity for every layer, with a floor per output channel."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:  # noqa: ARG002
        """Return how many units each layer keeps."""
        return uniform_num_kept(scores, num_kept=num_kept, floor=self.floor)

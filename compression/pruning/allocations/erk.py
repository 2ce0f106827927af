"""Erdos-Renyi-Kernel: small layers are kept denser than wide ones (Evci et al., arXiv:1911.11134)."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.allocations import check_floor, layer_floors
from compression.pruning.allocations.proportional import proportional_num_kept


def erk_num_kept(scores: Mapping[str, Tensor], *, num_kept: int, floor: float) -> dict[str, int]:
    """Return how many units each layer keeps: density proportional to ``(O + I + kH + kW) / (O * I * kH * kW)``.

    The share of a layer is thus the sum of the dimensions of its scores: ``O + I + kH + kW`` for a convolution and
    ``O + I`` for a linear layer. A layer whose share exceeds its size stays dense, and the others divide the rest. For
    scores of channels ``[C]`` the result equals the uniform allocation.
    """
    sizes = {name: score.numel() for name, score in scores.items()}
    shares = {name: sum(score.shape) for name, score in scores.items()}
    return proportional_num_kept(sizes, shares=shares, num_kept=num_kept, floors=layer_floors(scores, num_kept, floor))


class Erk:
    """Allocation in proportion to the sum of each layer's dimensions, with a floor per output channel."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:  # noqa: ARG002
        """Return how many units each layer keeps."""
        return erk_num_kept(scores, num_kept=num_kept, floor=self.floor)

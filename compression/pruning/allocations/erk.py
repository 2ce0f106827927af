"""Erdos-Renyi-Kernel: small layers are kept denser than wide ones (Evci et al., arXiv:1911.11134)."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.allocations import check_floor, layer_floors
from compression.pruning.allocations.proportional import proportional_num_kept


def erk_num_kept(scores: Mapping[str, Tensor], *, num_kept: int, floor: float) -> dict[str, int]:
    """Return how many each layer keeps: density proportional to ``(O + I + kH + kW) / (O * I * kH * kW)``.

    So a layer's share of what is kept is the sum of the dimensions of its scores ``[O, I, kH, kW]``, or ``O + I`` of a
    linear layer; a layer that this would make more than dense is dense, and the others share what it leaves. Over
    channels ``[C]`` it is the same as uniform.
    """
    sizes = {name: score.numel() for name, score in scores.items()}
    shares = {name: sum(score.shape) for name, score in scores.items()}
    return proportional_num_kept(sizes, shares=shares, num_kept=num_kept, floors=layer_floors(scores, num_kept, floor))


class Erk:
    """Shares what is kept by the sums of the layers' dimensions."""

    def __init__(self, *, floor: float = 0.0) -> None:
        self.floor = check_floor(floor)

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:  # noqa: ARG002
        """Return how many each layer keeps."""
        return erk_num_kept(scores, num_kept=num_kept, floor=self.floor)

"""Taylor: squared change of the loss when a weight is removed, to first order (Molchanov et al., arXiv:1906.10771)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.evidence import Evidence
from compression.pruning.parameter_checks import check_count


def taylor_scores(weight: Tensor, gradient: Tensor) -> Tensor:
    """Return ``(g * w)^2`` in the shape of ``weight``, as float64: squares of small products are zero in float32."""
    return (gradient.detach().double() * weight.detach().double()).square()


class Taylor:
    """Criterion: the mean of ``(g * w)^2`` over ``num_batches`` batches, where g is the gradient of a batch's loss."""

    def __init__(self, *, num_batches: int = 10) -> None:
        self.num_batches = check_count(num_batches, key="strategy.criterion.num_batches")

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return the mean of ``(g * w)^2`` for every weight; raises ``InputError`` without training images."""
        totals = {name: torch.zeros_like(w, dtype=torch.float64) for name, w in weights.items()}
        for gradients in evidence.gradients(self.num_batches):
            for name, weight in weights.items():
                totals[name] += taylor_scores(weight, gradients[name])
        return {name: total / self.num_batches for name, total in totals.items()}

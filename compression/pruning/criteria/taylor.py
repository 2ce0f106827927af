"""Taylor: what removing a weight changes the squared loss by, to first order (Molchanov et al., arXiv:1906.10771)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.evidence import Evidence
from compression.pruning.parameter_checks import check_count


def taylor_scores(weight: Tensor, gradient: Tensor) -> Tensor:
    """Return ``(g * w)^2``, of the weight's shape; float64, because float32 loses the squares of small products."""
    return (gradient.detach().double() * weight.detach().double()).square()


class Taylor:
    """Scores weights by the mean over batches of ``(g * w)^2``, with g the gradient of the loss of the batch."""

    def __init__(self, *, num_batches: int = 10) -> None:
        self.num_batches = check_count(num_batches, key="strategy.criterion.num_batches")

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return the mean of ``(g * w)^2`` for every weight; raises ``InputError`` without training images."""
        totals = {name: torch.zeros_like(w, dtype=torch.float64) for name, w in weights.items()}
        for gradients in evidence.gradients(self.num_batches):
            for name, weight in weights.items():
                totals[name] += taylor_scores(weight, gradients[name])
        return {name: total / self.num_batches for name, total in totals.items()}

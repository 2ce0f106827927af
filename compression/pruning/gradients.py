"""The gradient of several batches together, which several criteria and a regrowth begin with."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.evidence import Evidence


def total_gradients(weights: Mapping[str, Tensor], *, evidence: Evidence, num_batches: int) -> dict[str, Tensor]:
    """Return the sum over ``num_batches`` batches of the gradients of ``weights``, by name and of their shapes."""
    totals = {name: torch.zeros_like(weight, requires_grad=False) for name, weight in weights.items()}
    for gradients in evidence.gradients(num_batches):
        for name, total in totals.items():
            total.add_(gradients[name])
    return totals

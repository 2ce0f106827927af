"""Sum of the gradients of several batches, which criteria and regrowths share."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.evidence import Evidence


def total_gradients(weights: Mapping[str, Tensor], *, evidence: Evidence, num_batches: int) -> dict[str, Tensor]:
    """Return the sum of the gradients of ``num_batches`` batches by name, each in the shape of its weight.

    Raises ``InputError`` if there are no training images.
    """
    totals = {name: torch.zeros_like(weight, requires_grad=False) for name, weight in weights.items()}
    for gradients in evidence.gradients(num_batches):
        for name, total in totals.items():
            total.add_(gradients[name])
    return totals

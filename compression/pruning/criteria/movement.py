"""Movement: weights that training moves towards zero matter least (Sanh et al., arXiv:2005.07683)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from compression.pruning.evidence import Evidence
from compression.pruning.gradients import total_gradients
from compression.pruning.parameter_checks import check_count


def movement_scores(weight: Tensor, gradient: Tensor) -> Tensor:
    """Return ``-g * w`` in the shape of ``weight``: positive where gradient descent moves w away from zero."""
    return -(gradient.detach() * weight.detach())


class Movement:
    """Criterion: the sum of ``-g * w`` over all observed training steps.

    Before the first observed step, when pruning comes before training, scores are the sum over ``num_batches`` batches
    at the current weights.
    """

    def __init__(self, *, num_batches: int = 10) -> None:
        self.num_batches = check_count(num_batches, key="strategy.criterion.num_batches")
        self._totals: dict[str, Tensor] = {}

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return the sum of ``-g * w`` for every weight.

        Raises ``InputError`` if no step was observed and there are no training images.
        """
        if self._totals:
            return {name: self._total(name, weight).clone() for name, weight in weights.items()}
        gradients = total_gradients(weights, evidence=evidence, num_batches=self.num_batches)
        return {name: movement_scores(weight, gradients[name]) for name, weight in weights.items()}

    @torch.no_grad()
    def observe(self, weights: Mapping[str, Tensor]) -> None:
        """Add ``-g * w`` of every weight that has a gradient, in one multi-tensor operation."""
        moved = [(name, weight, weight.grad) for name, weight in weights.items() if weight.grad is not None]
        if moved:
            names, values, gradients = (list(column) for column in zip(*moved, strict=True))
            totals = [self._total(name, weights[name]) for name in names]
            torch._foreach_addcmul_(totals, gradients, values, value=-1)
            self._totals.update(zip(names, totals, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the sums by name."""
        return {"totals": {name: total.clone() for name, total in self._totals.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the sums that ``state_dict`` returned, from any device."""
        self._totals = {name: total.clone() for name, total in state["totals"].items()}

    def _total(self, name: str, weight: Tensor) -> Tensor:
        total = self._totals.get(name)
        # A checkpoint is loaded onto the CPU, while the weights may be on another device.
        return torch.zeros_like(weight, requires_grad=False) if total is None else total.to(weight.device)

"""SNIP: sensitivity of the loss to the presence of a weight (Lee et al., arXiv:1810.02340)."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.evidence import Evidence
from compression.pruning.gradients import total_gradients
from compression.pruning.parameter_checks import check_count


def snip_scores(weight: Tensor, gradient: Tensor) -> Tensor:
    """Return ``|g * w|`` in the shape of ``weight``.

    The paper also divides by the sum over the model, which does not change the ranking.
    """
    return (gradient.detach() * weight.detach()).abs()


class Snip:
    """Criterion: connection sensitivity ``|g * w|``, where g is the sum of the gradients of ``num_batches`` batches."""

    def __init__(self, *, num_batches: int = 1) -> None:
        self.num_batches = check_count(num_batches, key="strategy.criterion.num_batches")

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return ``|g * w|`` for every weight; raises ``InputError`` without training images."""
        gradients = total_gradients(weights, evidence=evidence, num_batches=self.num_batches)
        return {name: snip_scores(weight, gradients[name]) for name, weight in weights.items()}

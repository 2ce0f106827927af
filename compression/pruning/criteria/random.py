"""Random scores: the baseline that every other criterion must beat."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.pruning.evidence import Evidence


def random_scores(weight: Tensor, generator: torch.Generator) -> Tensor:
    """Return uniform scores in [0, 1) in the shape of ``weight``.

    They are drawn on the CPU, so that a run on a GPU gets the same scores. ``generator`` is a CPU generator.
    """
    return torch.rand(weight.shape, generator=generator).to(weight.device)


class Random:
    """Criterion: a random score for each weight."""

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return uniform scores for every weight."""
        return {name: random_scores(weight, evidence.generator) for name, weight in weights.items()}

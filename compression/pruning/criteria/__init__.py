"""Criteria: a score for every weight; low scores are pruned first."""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor


class Criterion(Protocol):
    """Scores every weight."""

    def __call__(self, weights: Mapping[str, Tensor], *, generator: torch.Generator) -> dict[str, Tensor]:
        """Return finite scores by name, each of its weight's shape."""
        ...

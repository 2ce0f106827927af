"""Regrowth: at constant sparsity, pruning steps after the first move weights to other places."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from compression.core.masks import MaskSet
from compression.pruning.evidence import Evidence


class Regrowth(Protocol):
    """Drops some of the kept weights and grows as many of the pruned ones."""

    def __call__(
        self, weights: Mapping[str, Tensor], *, masks: MaskSet, progress: float, evidence: Evidence
    ) -> MaskSet:
        """Return new masks with as many kept weights in every layer as in ``masks``.

        ``progress`` goes from 0 at the first step towards 1.
        """
        ...

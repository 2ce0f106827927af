"""Regrowth: pruning steps that move weights to other places at constant sparsity."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from compression.core.masks import MaskSet
from compression.pruning.evidence import Evidence


@runtime_checkable
class Regrowth(Protocol):
    """A rule that drops some of the kept weights and grows the same number of pruned ones."""

    def __call__(
        self, weights: Mapping[str, Tensor], *, masks: MaskSet, progress: float, evidence: Evidence
    ) -> MaskSet:
        """Return new masks that keep the same number of weights in every layer as ``masks``.

        ``progress`` rises from 0 at the first step towards 1.
        """
        ...

"""Criteria: a score for every weight; low scores are pruned first.

A criterion for channels (a norm, a batch-norm scale) gives all weights of an output channel the same score.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from compression.pruning.evidence import Evidence


@runtime_checkable
class Criterion(Protocol):
    """A function that scores every weight."""

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return finite scores by name, each in the shape ``[O, I, ...]`` of its weight.

        Weights that were pruned at an earlier step are zero.
        """
        ...


@runtime_checkable
class Observer(Protocol):
    """A criterion that also observes training; checkpoints keep what it has observed."""

    def observe(self, weights: Mapping[str, Tensor]) -> None:
        """Observe the weights and their ``.grad`` before an optimizer step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the observations as plain containers of tensors and numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the observations that ``state_dict`` returned."""
        ...

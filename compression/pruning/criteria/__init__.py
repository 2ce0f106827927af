"""Criteria: a score for every weight; low scores are pruned first.

A criterion that is about channels (a norm, a batch-norm scale) gives all weights of an output channel the same score.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from compression.pruning.evidence import Evidence


class Criterion(Protocol):
    """Scores every weight."""

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:
        """Return finite scores by name, each of its weight's shape ``[O, I, ...]``; pruned weights are zero."""
        ...


@runtime_checkable
class Observer(Protocol):
    """A criterion that also watches training, and whose memory is kept in checkpoints."""

    def observe(self, weights: Mapping[str, Tensor]) -> None:
        """Look at weights and their ``.grad`` before an optimizer step."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return what was observed, as plain containers of tensors and numbers."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what was observed."""
        ...

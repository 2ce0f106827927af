"""Magnitude: small weights matter least (Han et al., arXiv:1506.02626)."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.evidence import Evidence


def magnitude_scores(weight: Tensor) -> Tensor:
    """Return ``|w|``, of the weight's shape."""
    return weight.detach().abs()


class Magnitude:
    """Scores weights by their absolute value."""

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:  # noqa: ARG002
        """Return ``|w|`` for every weight."""
        return {name: magnitude_scores(weight) for name, weight in weights.items()}

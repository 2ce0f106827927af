"""Magnitude: small weights matter least (Han et al., arXiv:1506.02626)."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.evidence import Evidence


def magnitude_scores(weight: Tensor) -> Tensor:
    """Return ``|w|`` in the shape of ``weight``."""
    return weight.detach().abs()


class Magnitude:
    """Criterion: the absolute value of a weight."""

    def __call__(self, weights: Mapping[str, Tensor], *, evidence: Evidence) -> dict[str, Tensor]:  # noqa: ARG002
        """Return ``|w|`` for every weight."""
        return {name: magnitude_scores(weight) for name, weight in weights.items()}

"""SET: regrowth at random places (Mocanu et al., arXiv:1707.04780)."""

from collections.abc import Mapping

from torch import Tensor

from compression.core.masks import MaskSet
from compression.pruning.criteria.random import random_scores
from compression.pruning.evidence import Evidence
from compression.pruning.regrowth.moving import check_fraction, drop_fraction, move_mask


class Set:
    """Regrowth at random places.

    ``fraction`` of the kept weights move at progress 0; the fraction falls to 0 at progress 1 by the cosine of RigL
    (arXiv:1911.11134). So the two methods differ only in where weights grow.
    """

    def __init__(self, *, fraction: float = 0.3) -> None:
        self.fraction = check_fraction(fraction)

    def __call__(
        self, weights: Mapping[str, Tensor], *, masks: MaskSet, progress: float, evidence: Evidence
    ) -> MaskSet:
        """Return the masks after moving weights."""
        fraction = drop_fraction(progress, initial=self.fraction)
        return MaskSet(
            {
                name: move_mask(
                    weights[name],
                    mask=mask,
                    growth=random_scores(weights[name], evidence.generator),
                    fraction=fraction,
                )
                for name, mask in masks.items()
            }
        )

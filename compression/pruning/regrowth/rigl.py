"""RigL: regrowth where the gradient is largest (Evci et al., arXiv:1911.11134)."""

from collections.abc import Mapping

from torch import Tensor

from compression.core.masks import MaskSet
from compression.pruning.evidence import Evidence
from compression.pruning.gradients import total_gradients
from compression.pruning.parameter_checks import check_count
from compression.pruning.regrowth.moving import check_fraction, drop_fraction, move_mask


class RigL:
    """Regrowth where ``|g|`` is largest; g is the sum of the gradients of ``num_batches`` batches.

    ``fraction`` of the kept weights move at progress 0; the fraction falls to 0 at progress 1 by a cosine.
    """

    def __init__(self, *, fraction: float = 0.3, num_batches: int = 1) -> None:
        self.fraction = check_fraction(fraction)
        self.num_batches = check_count(num_batches, key="strategy.regrowth.num_batches")

    def __call__(
        self, weights: Mapping[str, Tensor], *, masks: MaskSet, progress: float, evidence: Evidence
    ) -> MaskSet:
        """Return the masks after moving weights; raise ``InputError`` if there are no training images."""
        fraction = drop_fraction(progress, initial=self.fraction)
        gradients = total_gradients(weights, evidence=evidence, num_batches=self.num_batches)
        return MaskSet(
            {
                name: move_mask(weights[name], mask=mask, growth=gradients[name].abs(), fraction=fraction)
                for name, mask in masks.items()
            }
        )

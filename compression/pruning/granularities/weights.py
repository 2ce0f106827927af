"""Single weights: unstructured pruning."""

import math
from collections.abc import Mapping

from torch import Tensor, nn

from compression.core.errors import InputError
from compression.core.masks import MaskSet, dense_masks
from compression.core.selection import prunable_weights
from compression.pruning.allocations import Allocation
from compression.pruning.ranking import lowest


class WeightUnits:
    """The single weights of a model; layers named in ``protected`` stay dense."""

    round_to = 8

    def __init__(self, weights: Mapping[str, Tensor], *, protected: frozenset[str]) -> None:
        self.weights = dict(weights)
        self.whole = tuple(name for name in weights if name in protected)

    def dense_masks(self) -> MaskSet:
        """Return masks that keep every weight."""
        return dense_masks(self.weights)

    def reduce(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the scores of the layers that may be pruned."""
        return {name: score for name, score in scores.items() if name not in self.whole}

    def kept(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the masks of the layers that may be pruned."""
        return self.reduce(masks)

    def count(
        self, scores: Mapping[str, Tensor], *, amount: float, final: float, allocation: Allocation
    ) -> dict[str, int]:
        """Return the number of kept weights by layer.

        Of all N weights of the model, ``N - round(amount * N)`` are kept, including those of dense layers. Raises
        ``InputError`` if a layer would become empty.
        """
        return allocation(scores, self._num_kept(amount), final=self._num_kept(final))

    def masks(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Return masks that keep exactly ``num_kept`` weights of each layer."""
        chosen = {name: ~lowest(s.flatten(), s.numel() - num_kept[name]).view(s.shape) for name, s in scores.items()}
        return {name: chosen.get(name, mask) for name, mask in self.dense_masks().items()}

    def _num_kept(self, amount: float) -> int:
        total = sum(weight.numel() for weight in self.weights.values())
        whole = sum(self.weights[name].numel() for name in self.whole)
        kept = total - round(amount * total) - whole
        layers = len(self.weights) - len(self.whole)
        if kept < layers:
            limit = math.floor((1 - (layers + whole) / total) * 1e4) / 1e4
            protected = f" with {len(self.whole)} layers protected" if self.whole else ""
            raise InputError(
                f"sparsity={amount:g} would empty a layer: must be at most {limit} for this model{protected}"
            )
        return kept


class Weights:
    """Granularity of single weights."""

    fixed_sparsity = None

    def units(self, model: nn.Module, *, example: Tensor, target: str, protected: frozenset[str]) -> WeightUnits:
        """Return the single weights of ``model``; raise ``InputError`` for a target other than ``weights``."""
        del example
        refuse_other_targets(target)
        return WeightUnits(prunable_weights(model), protected=protected)


def refuse_other_targets(target: str) -> None:
    """Raise ``InputError`` unless ``target`` is ``weights``."""
    if target != "weights":
        raise InputError(f"strategy.target={target}: must be weights where single weights are pruned, not channels")

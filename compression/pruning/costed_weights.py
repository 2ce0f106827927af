"""Single weights with costs: pruning to a budget of cost, such as MACs, instead of a number of weights."""

import math
from collections.abc import Mapping

from torch import Tensor, nn

from compression.core.errors import InputError
from compression.core.selection import prunable_weights
from compression.pruning.allocations import Allocation
from compression.pruning.allocations.budget import budget_floors, budget_num_kept
from compression.pruning.allocations.global_ import Global
from compression.pruning.granularities.weights import WeightUnits
from compression.pruning.weight_costs import LayerCost, weight_costs

# The values of strategy.target that give weights different costs.
TARGETS = ("macs", "latency")


class CostedWeightUnits(WeightUnits):
    """The single weights of a model, each with the cost of its layer; an amount is a fraction of the total cost.

    ``costs`` are of one weight, by layer, in units of ``target``. Layers whose weights cost nothing, because they do
    not run, stay dense like those in ``protected``.
    """

    def __init__(
        self, weights: Mapping[str, Tensor], *, costs: Mapping[str, int], target: str, protected: frozenset[str]
    ) -> None:
        super().__init__(weights, protected=protected | {name for name, cost in costs.items() if not cost})
        self.costs, self.target = costs, target
        self.total = sum(weight.numel() * costs[name] for name, weight in self.weights.items())

    def count(
        self, scores: Mapping[str, Tensor], *, amount: float, final: float, allocation: Allocation
    ) -> dict[str, int]:
        """Return the number of kept weights by layer, by one ranking of ``scores``, which are relative to costs.

        Of the cost C of all weights, at most ``C - round(amount * C)`` is kept, including that of dense layers; the
        next weight of the ranking would exceed it. The allocation's floor holds for the amount ``final``. Raises
        ``InputError`` if a layer would become empty, and for an allocation other than ``Global``.
        """
        if type(allocation) is not Global:
            raise InputError(
                f"strategy.target={self.target} needs one ranking of all weights: strategy.allocation must be "
                f"global_.Global, not {type(allocation).__name__}"
            )
        costs = {name: self.costs[name] for name in scores}
        # Floors that depended on the present amount could let a layer keep more weights at a later step.
        floors = budget_floors(scores, budget=self._budget(final), floor=allocation.floor, costs=costs)
        return budget_num_kept(scores, budget=self._budget(amount), floors=floors, costs=costs)

    def removed(self, masks: Mapping[str, Tensor]) -> float:
        """Return the fraction of the total cost that ``masks`` remove, in [0, 1)."""
        return 1 - sum(int(masks[name].sum()) * self.costs[name] for name in self.weights) / self.total

    def _budget(self, amount: float) -> int:
        """Return the cost that the layers that may be pruned can keep together."""
        whole = sum(self.weights[name].numel() * self.costs[name] for name in self.whole)
        least = sum(cost for name, cost in self.costs.items() if name not in self.whole)
        budget = self.total - round(amount * self.total) - whole
        if budget < least:
            limit = math.floor((1 - (least + whole) / self.total) * 1e4) / 1e4
            protected = f" with {len(self.whole)} layers protected" if self.whole else ""
            raise InputError(
                f"sparsity={amount:g} with strategy.target={self.target} would empty a layer: must be at most {limit} "
                f"for this model{protected}"
            )
        return budget


def costed_units(
    model: nn.Module,
    *,
    example: Tensor,
    target: str,
    protected: frozenset[str],
    layer_cost: LayerCost | None = None,
) -> CostedWeightUnits:
    """Return the single weights of ``model`` with their costs; ``target`` is one of ``TARGETS``.

    ``example: [B, C, H, W]`` is an input of ``model``. The weights named in ``protected`` stay dense. ``layer_cost``
    is needed for all targets but ``macs``; see ``weight_costs``.
    """
    costs = weight_costs(model, example, target=target, layer_cost=layer_cost)
    return CostedWeightUnits(prunable_weights(model), costs=costs, target=target, protected=protected)

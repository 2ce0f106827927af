"""Scores of weights relative to their cost: what a removal damages for what it saves."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.criteria import Criterion
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.random import Random

# A score that estimates the damage of a removal is divided by the cost: to remove the lowest ratios is the greedy
# solution of the knapsack problem. A magnitude is no such estimate. The damage is h * w^2, and the curvature h of a
# layer grows with the positions that use a weight, so with its cost. An exponent of 1/2 would ignore h, and 0 the cost;
# experiments/pruning_for_macs compares exponents. Random weights are removed whatever they cost.
DAMAGE = 1.0
EXPONENTS: dict[type, float] = {Magnitude: 0.25, Random: 0.0}


def cost_exponent(criterion: Criterion) -> float:
    """Return the exponent a with which a score s of ``criterion`` competes as ``s / c^a``, where c is a weight's cost.

    A criterion of your own may set it as its attribute ``cost_exponent``.
    """
    return float(getattr(criterion, "cost_exponent", EXPONENTS.get(type(criterion), DAMAGE)))


def scores_per_cost(scores: Mapping[str, Tensor], *, costs: Mapping[str, int], exponent: float) -> dict[str, Tensor]:
    """Return ``s / c^exponent`` for each score s by layer, where c > 0 is the cost of a weight of its layer."""
    return {name: score / costs[name] ** exponent for name, score in scores.items()}

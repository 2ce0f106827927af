"""MACs of weights that are not zero: the work left for an engine that skips zeros."""

from collections.abc import Mapping
from typing import Any

from compression.core.selection import prunable_weights
from compression.pruning.weight_costs import weight_costs
from compression.run.context import Context


def nonzero_macs_of_run(context: Context, sparsity: Mapping[str, float]) -> int:
    """Return the MACs per image of the weights that are not zero.

    ``context`` builds the network before pruning. ``sparsity`` is the fraction (0 to 1) of its weights that is zero or
    removed, by weight name.
    """
    model = context.build_model(pretrained=False).to(context.machine.device)
    costs = weight_costs(model, context.example(context.machine.device), target="macs")
    sizes = {name: weight.numel() for name, weight in prunable_weights(model).items()}
    # A layer that never runs, such as an auxiliary classifier, has zeros and no cost.
    left = {name: round((1 - zeros) * sizes[name]) for name, zeros in sparsity.items() if name in costs}
    return sum(costs[name] * number for name, number in left.items())


def with_nonzero_macs(context: Context, evaluated: Mapping[str, Any]) -> dict[str, Any]:
    """Return the results of the evaluate stage with ``nonzero_macs`` of the dense and of the compressed model."""
    networks = {"dense": context.dense, "compressed": context.student}
    counted = {
        side: {**evaluated[side], "nonzero_macs": nonzero_macs_of_run(network, evaluated[side]["layer_sparsity"])}
        for side, network in networks.items()
    }
    return {**evaluated, **counted}

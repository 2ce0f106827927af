"""Cost of a single weight by layer: what the removal of one weight saves."""

from collections.abc import Callable

from torch import Tensor, nn

from compression.core.counting import layer_macs
from compression.core.selection import prunable_weights

# A layer and the number of its output positions -> the cost of one of its weights.
LayerCost = Callable[[nn.Module, int], int]


def weight_costs(
    model: nn.Module, example: Tensor, *, target: str, layer_cost: LayerCost | None = None
) -> dict[str, int]:
    """Return the cost of one weight of each convolution and linear layer, by the name of the weight.

    ``example: [B, C, H, W]`` is an input of ``model``. For ``target``

    - ``weights``, every weight costs 1;
    - ``macs``, a weight costs as many MACs per image as its layer has output positions;
    - any other target, ``layer_cost`` gives the cost of a weight.

    A weight that two layers share costs the sum of both. A weight of a layer that does not run costs 0. A layer that
    runs several times has the output positions of all its runs.

    Costs are integers, so that their sums are exact.
    """
    weights = prunable_weights(model)
    if target == "weights":
        return dict.fromkeys(weights, 1)
    assert (target == "macs") == (layer_cost is None)
    # Two layers that share a weight are two entries of the MACs, under two names.
    first_names: dict[Tensor, str] = {weight: name for name, weight in weights.items()}
    costs = dict.fromkeys(weights, 0)
    for name, macs in layer_macs(model, example).items():
        layer = model.get_submodule(name.rpartition(".")[0])
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # A weight that is computed from other parameters, as by weight normalization, is not pruned.
        if (first := first_names.get(weight)) is not None:
            positions = macs // weight.numel()
            costs[first] += positions if layer_cost is None else layer_cost(layer, positions)
    return costs

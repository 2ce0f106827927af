"""Cost of a single weight by layer: what the removal of one weight saves."""

from torch import Tensor, nn

from compression.core.counting import layer_macs
from compression.core.selection import prunable_weights


def weight_costs(model: nn.Module, example: Tensor, *, target: str) -> dict[str, int]:
    """Return the cost of one weight of each convolution and linear layer, by the name of the weight.

    ``example: [B, 3, H, W]`` is an input of ``model``. For ``target``

    - ``weights``, every weight costs 1;
    - ``macs``, a weight costs as many MACs per image as its layer has output positions. A weight that two layers share
      costs the sum of both. A weight of a layer that does not run costs 0.

    Costs are integers, so that their sums are exact.
    """
    weights = prunable_weights(model)
    if target == "weights":
        return dict.fromkeys(weights, 1)
    assert target == "macs"
    # Two layers that share a weight are two entries of the MACs, under two names.
    first_names = {weight: name for name, weight in weights.items()}
    costs = dict.fromkeys(weights, 0)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for name, macs in layer_macs(model, example).items():
        costs[first_names[parameters[name]]] += macs // parameters[name].numel()
    return costs

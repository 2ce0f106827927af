"""Batch-norm folding: merges batch norm into the layer before it, so that the function stays the same."""

import torch
from torch import fx, nn

from compression.core.batch_norm import fold_factors
from compression.quantization.network import graph as ops
from compression.quantization.observers import MIN_SCALE


@torch.no_grad()
def fold_batch_norms_(graph: fx.GraphModule, *, values: bool = True) -> list[str]:
    """Fold every batch norm that directly follows a layer and return the names of these layers (arXiv:1712.05877, 3.2).

    W' = W * gamma / sigma and b' = beta + (b - mu) * gamma / sigma are computed in float64. If the weights of a layer
    already have a scale, the scale is multiplied by ``|gamma / sigma|``, so that its integers change at most in sign.
    Layers that run several times or share their weight keep their batch norm, see ``foldable_norms``. With
    ``values=False`` only the structure changes, for networks whose tensors are then loaded from a file.
    """
    folded = []
    for node, norm_node in ops.foldable_norms(graph).items():
        layer, norm = graph.get_submodule(str(node.target)), graph.get_submodule(str(norm_node.target))
        if values:
            _fold_(layer, norm)
        elif layer.bias is None:
            layer.register_parameter(
                "bias", nn.Parameter(layer.get_parameter("weight").new_empty(len(layer.get_parameter("weight"))))
            )
        norm_node.replace_all_uses_with(node)
        graph.graph.erase_node(norm_node)
        folded.append(str(node.target))
    graph.delete_all_unused_submodules()
    graph.recompile()
    return folded


def _fold_(layer: nn.Module, norm: nn.Module) -> None:
    assert isinstance(layer, ops.LAYERS)
    weight, bias = layer.weight, layer.bias
    factor, shift = fold_factors(norm)
    spread = factor.reshape(-1, *[1] * (weight.ndim - 1))
    before = torch.zeros_like(shift) if bias is None else bias.double()
    weight.copy_(weight.double() * spread)
    layer.bias = nn.Parameter((before * factor + shift).to(weight.dtype))
    scale = getattr(layer, "weight_scale", None)
    if scale is not None:
        scale.copy_((scale.double() * factor.abs()).clamp(min=MIN_SCALE))

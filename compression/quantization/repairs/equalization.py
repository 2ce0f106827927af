"""Cross-layer equalization: balances the weight ranges of consecutive layers per channel (arXiv:1906.04721, 4.1)."""

from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError
from compression.quantization.network import graph as ops
from compression.quantization.network.layerwise import Layer, layer_nodes, layer_of

MAX_ROUNDS = 20
# Rounds stop when no scale differs from 1 by this much.
TOLERANCE = 1e-4


@dataclass
class Equalization:
    """The result of equalization: equalized pairs of layers, nodes of ReLU6 that became ReLU, and skipped pairs.

    A skipped pair is (first layer, second layer, reason).
    """

    pairs: list[tuple[str, str]] = field(default_factory=list)
    unclamped: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str, str]] = field(default_factory=list)


@torch.no_grad()
def equalize_(graph: fx.GraphModule, *, relu6: str = "skip") -> Equalization:
    """Equalize all pairs of consecutive layers of a traced network, with at most a ReLU or ReLU6 between them.

    For a channel between the layers of a pair, r1 is the largest |W1| of this output channel, and r2 is the largest
    |W2| of this input channel. ``s = sqrt(r1 * r2) / r2; W1 /= s; b1 /= s; W2 *= s`` is repeated until no range
    changes, for at most 20 rounds. A channel without weights on either side keeps s = 1. Batch norm must be folded.

    With a ReLU or nothing between the layers, the function stays the same, because ``relu(s * x) = s * relu(x)``. This
    does not hold for ReLU6: such pairs are skipped (``relu6="skip"``), or the ReLU6 becomes a ReLU (``"replace"``),
    which **changes the function** where it clamped. Raises ``InputError`` for another ``relu6``.
    """
    if relu6 not in ("skip", "replace"):
        raise InputError(f"relu6={relu6!r}: must be 'skip' or 'replace'")
    result = Equalization()
    layers = _own_layers(graph)
    for name, node in layers.items():
        clamp = ops.sole_user(node, partial(ops.is_clamp, graph))
        reader = ops.sole_user(clamp or node, partial(ops.is_layer, graph))
        if reader is None:
            continue
        pair = (name, str(reader.target))
        reason = _obstacle(graph, pair, layers)
        if reason is None and clamp is not None and ops.ceiling(graph, clamp) is not None:
            reason = _unclamp_(graph, clamp, result) if relu6 == "replace" else "there is a ReLU6 between them"
        if reason is None:
            result.pairs.append(pair)
        else:
            result.skipped.append((*pair, reason))
    graph.recompile()
    _equalize_pairs_(graph, result.pairs)
    return result


def pair_scale(first: Tensor, second: Tensor) -> Tensor:
    """Return ``s = sqrt(r1 * r2) / r2`` for each channel, ``[C]``; s is 1 where a range is 0.

    The ranges are ``r1 = max |first|`` and ``r2 = max |second|`` by row. ``first: [C, N1]``, ``second: [C, N2]``.
    """
    r1, r2 = first.abs().amax(dim=1), second.abs().amax(dim=1)
    return torch.where((r1 > 0) & (r2 > 0), (r1 / r2).sqrt(), torch.ones_like(r1))


def by_input_channel(weight: Tensor, *, groups: int) -> Tensor:
    """Return ``weight: [O, I / groups, ...]`` as ``[I, N]``: row i holds the weights that read input channel i."""
    outputs, inputs = weight.shape[:2]
    grouped = weight.reshape(groups, outputs // groups, inputs, -1)
    return grouped.transpose(1, 2).reshape(groups * inputs, -1)


def _scale_inputs_(weight: Tensor, scale: Tensor, *, groups: int) -> None:
    outputs, inputs = weight.shape[:2]
    weight.view(groups, outputs // groups, inputs, -1).mul_(scale.view(groups, 1, inputs, 1))


def _equalize_pairs_(graph: fx.GraphModule, pairs: list[tuple[str, str]]) -> None:
    layers = {name: layer_of(graph, name) for pair in pairs for name in pair}
    # In float64 and written back once, so that rounding errors do not add up over the rounds.
    weights = {name: layer.weight.double().contiguous() for name, layer in layers.items()}
    biases = {name: layer.bias.double() for name, layer in layers.items() if layer.bias is not None}
    for _ in range(MAX_ROUNDS):
        change = 0.0
        for first, second in pairs:
            groups = getattr(layers[second], "groups", 1)
            scale = pair_scale(weights[first].flatten(1), by_input_channel(weights[second], groups=groups))
            weights[first].div_(scale.view(-1, *[1] * (weights[first].ndim - 1)))
            if first in biases:
                biases[first].div_(scale)
            _scale_inputs_(weights[second], scale, groups=groups)
            change = max(change, (scale - 1).abs().max().item())
        if change < TOLERANCE:
            break
    for name, layer in layers.items():
        layer.weight.copy_(weights[name])
        if layer.bias is not None:
            layer.bias.copy_(biases[name])


def _own_layers(graph: fx.GraphModule) -> dict[str, fx.Node]:
    """Return the layers that are called once and share no tensor; only these can be scaled."""
    layers = layer_nodes(graph)
    owners = Counter(id(tensor) for module in graph.modules() for tensor in module.parameters(recurse=False))
    read = {str(node.target).rpartition(".")[0] for node in graph.graph.nodes if node.op == "get_attr"}
    return {
        name: node
        for name, node in layers.items()
        if name not in read
        and all(owners[id(tensor)] == 1 for tensor in graph.get_submodule(name).parameters(recurse=False))
    }


def _obstacle(graph: fx.GraphModule, pair: tuple[str, str], layers: dict[str, fx.Node]) -> str | None:
    first, second = (layer_of(graph, name) for name in pair)
    if pair[1] not in layers:
        return f"{pair[1]} is used more than once"
    if _axis(first) != _axis(second):
        return "one's output channels are not the other's input channels"
    return None


def _axis(layer: Layer) -> int:
    """Return how many axes follow the two channel axes of the weight."""
    return layer.weight.ndim - 2


def _unclamp_(graph: fx.GraphModule, clamp: fx.Node, result: Equalization) -> str | None:
    """Replace a ReLU6 by a ReLU; return None, or the reason if that is not possible."""
    calls = [node for node in graph.graph.nodes if node.op == "call_module" and node.target == clamp.target]
    if len(calls) != 1:
        return "the ReLU6 between them is no module of its own"
    graph.set_submodule(str(clamp.target), nn.ReLU())
    result.unclamped.append(clamp.name)
    return None

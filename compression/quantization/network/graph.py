"""Traced networks: graphs of operations, in which activations between layers can be quantized as well."""

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.errors import InputError
from compression.quantization.network.axes import count_axes

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Linear)

# Each family lists modules, functions and tensor methods, because a network may use any of them.
_CLAMPS_AT_6: tuple[Any, ...] = (nn.ReLU6, F.relu6)
_CLAMPS: tuple[Any, ...] = (*_CLAMPS_AT_6, nn.ReLU, torch.relu, F.relu, "relu", "relu_")
_POSITIVE: tuple[Any, ...] = (
    *_CLAMPS,
    *(nn.Sigmoid, nn.Hardsigmoid, nn.Softmax, torch.sigmoid, F.sigmoid, F.hardsigmoid, F.softmax, "sigmoid", "softmax"),
)
# These operations move or drop values but do not compute any, so their output is on the grid of their input.
_IDENTITIES: tuple[Any, ...] = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, F.dropout, F.dropout2d)
# They return several tensors at once.
_PARTS: tuple[Any, ...] = (torch.chunk, "chunk", torch.split, "split", torch.unbind, "unbind")
_MOVES: tuple[Any, ...] = (
    *_IDENTITIES,
    *_PARTS,
    *(nn.Flatten, nn.MaxPool1d, nn.MaxPool2d, nn.AdaptiveMaxPool2d, operator.getitem),
    *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze),
    *(F.max_pool1d, F.max_pool2d, F.adaptive_max_pool2d, torch.max_pool2d),
    *("flatten", "view", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "contiguous"),
)
_AVERAGES: tuple[Any, ...] = (
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d),
    *(F.avg_pool2d, F.adaptive_avg_pool2d, torch.mean, "mean"),
)
_MERGES: tuple[Any, ...] = (operator.add, torch.add, "add", operator.mul, torch.mul, "mul", torch.cat)


def module_of(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """Return the module that ``node`` calls; None if it does not call a module."""
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def is_layer(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` is a convolution or linear layer that can be quantized and that owns its weight.

    A layer that computes its weight from other tensors, as with weight norm, cannot be quantized.
    """
    module = module_of(graph, node)
    return (
        isinstance(module, LAYERS)
        and "weight" in module._parameters
        and getattr(module, "padding_mode", "zeros") == "zeros"
        and _pads_evenly(module)
    )


def shared_layers(graph: fx.GraphModule) -> frozenset[str]:
    """Return the names of layers that run several times, or whose weight is also that of another layer.

    What fits one of the calls, such as a folded batch norm or a scale of the input, does not fit the others.
    """
    calls = [str(node.target) for node in graph.graph.nodes if is_layer(graph, node)]
    weights = [id(graph.get_submodule(name).weight) for name in calls]
    return frozenset(name for name, weight in zip(calls, weights, strict=True) if weights.count(weight) > 1)


def _pads_evenly(module: nn.Module) -> bool:
    # With padding="same", an even kernel pads one side more than the other.
    if getattr(module, "padding", None) != "same":
        return True
    assert isinstance(module, (nn.Conv1d, nn.Conv2d))
    return all(step * (size - 1) % 2 == 0 for size, step in zip(module.kernel_size, module.dilation, strict=True))


def is_batch_norm(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` is a batch norm with running statistics."""
    module = module_of(graph, node)
    return isinstance(module, _BatchNorm) and module.track_running_stats


def foldable_norms(graph: fx.GraphModule) -> dict[fx.Node, fx.Node]:
    """Return the batch norms that can be merged into a layer, by the node of that layer.

    These are the only readers of a layer that runs once and shares its weight with no other. The output of a linear
    layer must be ``[B, C]``: of ``[B, N, C]``, a batch norm normalizes the axis N.
    """
    shared, found = shared_layers(graph), {}
    for node in graph.graph.nodes:
        norm = sole_user(node, lambda user: is_batch_norm(graph, user))
        if norm is None or not is_layer(graph, node) or str(node.target) in shared:
            continue
        if not isinstance(module_of(graph, node), nn.Linear) or count_axes(graph, node) == 2:
            found[node] = norm
    return found


def is_clamp(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` is a ReLU or ReLU6, which an engine merges into rounding."""
    return _is_any(graph, node, _CLAMPS)


def ceiling(graph: fx.GraphModule, node: fx.Node) -> float | None:
    """Return the upper bound of the output of ``node``: 6 for a ReLU6, else None."""
    return 6.0 if _is_any(graph, node, _CLAMPS_AT_6) else None


def is_move(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` only moves or drops values of its input, and computes none."""
    return _is_any(graph, node, _MOVES)


def gives_parts(node: fx.Node) -> bool:
    """Return whether ``node`` returns several tensors at once."""
    return node.target in _PARTS


def takes_output(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` takes one of several outputs of an operation that computes them, such as attention."""
    if node.target is not operator.getitem or not isinstance(node.args[1], int):
        return False
    return not is_move(graph, node.all_input_nodes[0])


def reads_constant(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether the input of the layer ``node`` is a tensor of the network, moved or not, and no activation."""
    source = node.all_input_nodes[0]
    while is_move(graph, source):
        source = source.all_input_nodes[0]
    return source.op == "get_attr"


def is_identity(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` does nothing in evaluation mode."""
    return _is_any(graph, node, _IDENTITIES)


def is_average(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` is an average, whose output has the range of its input but must be rounded again."""
    return _is_any(graph, node, _AVERAGES)


def is_merge(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether ``node`` adds, multiplies or concatenates two or more activations."""
    if not _is_any(graph, node, _MERGES):
        return False
    operands: Any = node.args[:2]
    if node.target is torch.cat:
        operands = node.args[0] if node.args else node.kwargs["tensors"]
        if isinstance(operands, fx.Node):
            # The list of tensors is the output of another operation.
            return True
    assert isinstance(operands, (list, tuple))
    return sum(isinstance(operand, fx.Node) and _gives_tensor(operand) for operand in operands) > 1


def is_never_negative(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether the output of ``node`` cannot be below 0 for any input of the network."""
    if _is_any(graph, node, _POSITIVE):
        return True
    if node.kwargs.get("alpha") is not None:
        # torch.add multiplies its second term by alpha, which may be negative.
        return False
    if is_move(graph, node) or is_average(graph, node) or is_merge(graph, node):
        # A tensor of the network may be negative.
        return all(is_never_negative(graph, source) for source in node.all_input_nodes if not _is_size(source))
    return False


def sole_user(node: fx.Node, test: Callable[[fx.Node], bool]) -> fx.Node | None:
    """Return the only node that reads ``node`` if it passes ``test``; None otherwise, or if there are several."""
    [user] = node.users if len(node.users) == 1 else [None]
    return user if user is not None and test(user) else None


def end_of_layer(graph: fx.GraphModule, node: fx.Node) -> fx.Node:
    """Return the last node that an engine merges into the layer ``node``: batch norm, then ReLU or ReLU6."""
    node = sole_user(node, lambda user: is_batch_norm(graph, user)) or node
    return sole_user(node, lambda user: is_clamp(graph, user)) or node


def leads_to_output(graph: fx.GraphModule, node: fx.Node) -> bool:
    """Return whether the value of ``node``, moved or not, is read only as the output of the network."""
    return all(user.op == "output" or (is_move(graph, user) and leads_to_output(graph, user)) for user in node.users)


def _gives_tensor(node: fx.Node) -> bool:
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        return _gives_tensor(node.args[0])
    return not _is_size(node) and node.op != "get_attr"


def _is_size(node: fx.Node) -> bool:
    # Sizes of tensors take part in calculations, but they are not activations.
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        return _is_size(node.args[0])
    return (node.op == "call_method" and node.target in ("size", "dim", "numel")) or node.target is getattr


def _is_any(graph: fx.GraphModule, node: fx.Node, kinds: tuple[Any, ...]) -> bool:
    module = module_of(graph, node)
    if module is not None:
        return type(module) in kinds
    return node.op in ("call_function", "call_method") and node.target in kinds


def check_tensor(values: Tensor, *, name: str) -> None:
    """Raise ``InputError`` that names the activation unless every value is finite."""
    if not torch.isfinite(values).all():
        raise InputError(f"calibration: the activation after {name} is NaN or infinite; must be finite")

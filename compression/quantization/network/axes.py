"""The number of axes of traced activations, as far as a graph alone tells it."""

from collections.abc import Callable
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.selection import PRUNABLE, HoldsIntegers, RoundsActivations

# Modules whose output has as many axes as their input.
_KEEPING_MODULES = (*PRUNABLE, HoldsIntegers, RoundsActivations, _BatchNorm, nn.Identity)
_KEEPING_FILES = ("activation", "dropout", "instancenorm", "normalization", "pooling")
# The same for functions and methods; of several tensors, the one with the most axes counts.
_KEEPING = {"relu", "relu_", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu"}
_KEEPING |= {"sigmoid", "tanh", "softmax", "clamp", "dropout", "layer_norm", "normalize", "contiguous", "permute"}
_KEEPING |= {"transpose", "add", "sub", "mul", "truediv", "div", "cat", "avg_pool2d", "max_pool2d", "chunk", "split"}
_KEEPING |= {"adaptive_avg_pool2d", "adaptive_max_pool2d", "batch_norm", "conv2d", "linear", "interpolate"}
_IMAGES = 4


def count_axes(graph: fx.GraphModule, node: fx.Node) -> int | None:
    """Return the number of axes of the output of ``node`` for images ``[B, C, H, W]``; None if it is not known."""
    if node.op == "placeholder":
        return _IMAGES
    if node.op == "get_attr":
        return None
    if node.op == "call_module":
        return _count_of_module(graph, node, graph.get_submodule(str(node.target)))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name in _KEEPING:
        return _most(graph, node)
    count = _COUNTS.get(name)
    return None if count is None else count(graph, node)


def _count_of_module(graph: fx.GraphModule, node: fx.Node, module: nn.Module) -> int | None:
    if isinstance(module, nn.Flatten):
        return _flattened(module.start_dim, module.end_dim)
    package, _, file = type(module).__module__.rpartition(".")
    keeps = isinstance(module, _KEEPING_MODULES) or (package == "torch.nn.modules" and file in _KEEPING_FILES)
    return _most(graph, node) if keeps and not isinstance(module, nn.MultiheadAttention) else None


def _most(graph: fx.GraphModule, node: fx.Node) -> int | None:
    counts = [count_axes(graph, source) for source in node.all_input_nodes]
    return None if None in counts else max(counts, default=None)  # type: ignore[type-var]


def _count_flat(_: fx.GraphModule, node: fx.Node) -> int | None:
    given: dict[str, Any] = dict(zip(("start_dim", "end_dim"), node.args[1:], strict=False)) | node.kwargs
    return _flattened(given.get("start_dim", 0), given.get("end_dim", -1))


def _flattened(start: Any, end: Any) -> int | None:
    return start + 1 if isinstance(start, int) and start >= 0 and end == -1 else None


def _count_viewed(_: fx.GraphModule, node: fx.Node) -> int | None:
    sizes: Any = node.args[1:]
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        [sizes] = sizes
    # One node may be all sizes of another tensor.
    return None if len(sizes) == 1 and isinstance(sizes[0], fx.Node) else len(sizes) or None


def _count_reduced(graph: fx.GraphModule, node: fx.Node) -> int | None:
    before = _most(graph, node)
    given = dict(zip(("dim", "keepdim"), node.args[1:], strict=False)) | node.kwargs
    if before is None or given.get("dim") is None or given.get("keepdim", False):
        return before if given.get("dim") is not None else None
    return before - (len(given["dim"]) if isinstance(given["dim"], (tuple, list)) else 1)


def _count_squeezed(graph: fx.GraphModule, node: fx.Node) -> int | None:
    before = _most(graph, node)
    given = [*node.args[1:], *node.kwargs.values()]
    if before is None or not given:
        return None
    return before - (len(given[0]) if isinstance(given[0], (tuple, list)) else 1)


_COUNTS: dict[str, Callable[[fx.GraphModule, fx.Node], int | None]] = {
    "flatten": _count_flat,
    "view": _count_viewed,
    "reshape": _count_viewed,
    "mean": _count_reduced,
    "sum": _count_reduced,
    "amax": _count_reduced,
    "squeeze": _count_squeezed,
}

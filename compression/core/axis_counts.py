"""The number of axes of traced tensors, as far as the operations of a graph tell it without the sizes of an image."""

import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from compression.core.augmented_assignment import is_number
from compression.core.call_names import call_name
from compression.core.selection import HoldsIntegers, RoundsActivations

# Operations that accept and return only maps [B, C, H, W]. (Those of one image have no axis 3.)
_OF_MAPS = {"conv2d", "conv_transpose2d", "max_pool2d", "avg_pool2d"}
_MAP_LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d)
# Operations whose output has the axes of their first input.
_KEEPING = {"adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool1d", "max_pool1d", "conv1d"}
_KEEPING |= {"batch_norm", "instance_norm", "layer_norm", "group_norm", "rms_norm", "local_response_norm", "normalize"}
_KEEPING |= {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
_KEEPING |= {"stochastic_depth", "hardswish", "prelu", "glu", "softmax", "log_softmax", "cumsum", "pad", "interpolate"}
_KEEPING |= {"contiguous", "to", "float", "half", "bfloat16", "double", "type", "type_as", "detach", "data"}
_KEEPING |= {"linear", "channel_shuffle", "pixel_shuffle", "pixel_unshuffle", "flip", "roll"}
_KEEPING |= {"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "mT", "narrow", "chunk", "split"}
_KEEPING_LAYERS = (nn.Identity, nn.Linear, _ConvNd, _NormBase, _DropoutNd, HoldsIntegers, RoundsActivations)
# The files of torch.nn whose layers all keep the axes. (Attention is among the activations, but returns a tuple.)
_KEEPING_FILES = {f"torch.nn.modules.{name}" for name in ("activation", "normalization", "padding", "pooling")}
_KEEPING_FILES |= {f"torch.nn.modules.{name}" for name in ("pixelshuffle", "upsampling")}
_REDUCING = {"mean", "sum", "amax", "amin"}


def count_axes(traced: fx.GraphModule) -> dict[fx.Node, int]:
    """Return the number of axes of the tensors in ``traced``, whose input are images ``[B, C, H, W]``.

    A tensor whose number is not certain is left out. Of an operation that returns several parts, such as a split, the
    number is that of each part.
    """
    axes: dict[fx.Node, int] = {}
    for node in traced.graph.nodes:
        found = _count(traced, node, axes)
        if found is not None:
            axes[node] = found
    return axes


def _count(traced: fx.GraphModule, node: fx.Node, axes: dict[fx.Node, int]) -> int | None:
    if node.op == "placeholder":
        return 4 if node is next(iter(traced.graph.nodes)) else None
    if node.op == "get_attr":
        value = operator.attrgetter(str(node.target))(traced)
        return value.ndim if isinstance(value, Tensor) else None
    source = node.args[0] if node.args else node.kwargs.get("input")
    first = axes.get(source) if isinstance(source, fx.Node) else None
    if node.op == "call_module":
        return _count_of_layer(traced.get_submodule(str(node.target)), first)
    if node.op not in ("call_method", "call_function"):
        return None
    return _count_of_call(node, source, first, axes)


def _count_of_layer(layer: nn.Module, first: int | None) -> int | None:
    if isinstance(layer, _MAP_LAYERS):
        return 4
    files = {kind.__module__ for kind in type(layer).__mro__}
    keeps = isinstance(layer, _KEEPING_LAYERS) or not files.isdisjoint(_KEEPING_FILES)
    is_tuple = isinstance(layer, nn.MultiheadAttention) or getattr(layer, "return_indices", False)
    return first if keeps and not is_tuple else None


def _count_of_call(node: fx.Node, source: Any, first: int | None, axes: dict[fx.Node, int]) -> int | None:
    name = call_name(node)
    if name in _OF_MAPS:
        return 4
    if name in ("reshape", "view"):
        return _count_sizes(node)
    if name in ("cat", "concat", "concatenate", "stack"):
        parts = source if isinstance(source, (tuple, list)) else ()
        return next((axes[part] + (name == "stack") for part in parts if part in axes), None)
    if name in ("expand_as", "view_as", "reshape_as"):
        return axes.get(node.args[1]) if len(node.args) > 1 and isinstance(node.args[1], fx.Node) else None
    if _is_elementwise(name):
        counts = [axes.get(one) for one in node.all_input_nodes if not is_number(one)]
        known = [count for count in counts if count is not None]
        return max(known) if known and len(known) == len(counts) else None
    if first is None:
        return None
    if name == "unsqueeze":
        return first + 1
    if name == "getitem":
        return _count_of_part(source, node.args[1], first)
    if name in _REDUCING:
        return _count_left(node, first)
    return first if name in _KEEPING else None


def _count_sizes(node: fx.Node) -> int | None:
    sizes = node.args[1:] or tuple(value for key, value in node.kwargs.items() if key in ("shape", "size"))
    if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)):
        return len(sizes[0])
    # A single value may be a computed tuple of sizes.
    return len(sizes) if len(sizes) > 1 else None


def _count_left(node: fx.Node, first: int) -> int | None:
    """Return the number of axes after a sum or mean."""
    given = dict(zip(("input", "dim", "keepdim"), node.args, strict=False)) | dict(node.kwargs)
    if given.get("keepdim", False):
        return first
    dim = given.get("dim")
    if isinstance(dim, int):
        return first - 1
    return first - len(dim) if isinstance(dim, (tuple, list)) and dim else None


def _is_elementwise(name: str) -> bool:
    """Return whether an operation works value by value, so that the inputs are broadcast to the most axes."""
    if name in ("max", "min"):
        # With one input, they reduce it.
        return False
    operation = getattr(torch.ops.aten, {"truediv": "div"}.get(name, name), None)
    if not isinstance(operation, torch._ops.OpOverloadPacket):
        return False
    return any(torch.Tag.pointwise in getattr(operation, kind).tags for kind in operation.overloads())


def _count_of_part(source: Any, index: Any, first: int) -> int | None:
    if call_name(source) in ("chunk", "split"):
        return first if isinstance(index, int) else None
    indices = index if isinstance(index, tuple) else (index,)
    if not all(one is None or one is Ellipsis or isinstance(one, (int, slice)) for one in indices):
        return None
    return first + sum(one is None for one in indices) - sum(isinstance(one, int) for one in indices)

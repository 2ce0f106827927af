"""Tracing: a model as a graph of operations, by torch.fx."""

import copy

import torch
from torch import fx, nn
from torch.nn import functional as F

from compression.core.adapted_network import find_logits, restore_class_
from compression.core.augmented_assignment import AssigningProxy
from compression.core.axis_counts import count_axes
from compression.core.errors import InputError, first_line
from compression.core.in_place import replace_in_place_
from compression.core.selection import HoldsIntegers, RoundsActivations
from compression.core.shared_tensors import name_once_


def trace(model: nn.Module) -> fx.GraphModule:
    """Return ``model`` as a graph over copies of its modules, with the same names and without in-place operations.

    The graph is that of evaluation mode, and its output are the logits alone. Raises ``InputError`` for a network that
    cannot be copied or that torch.fx cannot trace, such as one with data-dependent control flow.
    """
    # In training mode, random and mode-dependent choices would become fixed parts of the graph.
    model = copy_network(model).eval()
    # The graph is made of the network's own operations. What adapting adds is done to the graph below.
    restore_class_(model)
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        raise InputError(
            f"model {type(model).__name__} cannot be traced: torch.fx cannot follow its forward ({first_line(error)}); "
            "a forward must not branch on values of tensors"
        ) from error
    traced = fx.GraphModule(model, graph, class_name=type(model).__name__)
    replace_in_place_(traced)
    for node in traced.graph.nodes:
        if node.op == "call_method" and node.target == "view" and not _changes_type(node):
            # The same where a view is possible; a view of a map in channels_last memory is not.
            node.target = "reshape"
    _return_logits(traced)
    _pool_for_means(traced)
    traced.delete_all_unused_submodules()
    traced.recompile()
    name_once_(traced)
    return traced


def copy_network(model: nn.Module) -> nn.Module:
    """Return a deep copy of ``model``; raises ``InputError`` that says why it cannot be copied."""
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise InputError(
            f"model {type(model).__name__} cannot be copied ({first_line(error)}); keep no tensor that a forward "
            "computed as an attribute, or store its detach(); weight_norm must be the one of "
            "torch.nn.utils.parametrizations"
        ) from error


class _Tracer(fx.Tracer):
    """Keeps the layers and quantizers of integer networks as calls, and assignments such as ``y += x`` as these."""

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return the stand-in for the value of ``node`` while the forward runs."""
        return AssigningProxy(node, self)

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether ``m`` stays one call."""
        return isinstance(m, (HoldsIntegers, RoundsActivations)) or super().is_leaf_module(m, module_qualified_name)


def _changes_type(view: fx.Node) -> bool:
    return any(isinstance(value, torch.dtype) for value in (*view.args, *view.kwargs.values()))


def _return_logits(traced: fx.GraphModule) -> None:
    """Drop all outputs but the logits, with the operations that only they need."""
    output = traced.graph.output_node()
    logits = find_logits(output.args[0], kind=fx.Node)
    dropped = [node for node in output.all_input_nodes if node is not logits]
    output.args = (logits,)
    while dropped:
        node = dropped.pop()
        in_place = str(node.target).endswith("_") or getattr(node.target, "__name__", "").endswith("_")
        if node.op != "placeholder" and not node.users and not in_place:
            dropped += node.all_input_nodes
            traced.graph.erase_node(node)


def _pool_for_means(traced: fx.GraphModule) -> None:
    """Replace means over height and width by global average pooling, for which engines have integer kernels.

    Pooling averages the last two axes, so a mean stays one if its input may have other axes than ``[B, C, H, W]``.
    """
    axes = count_axes(traced)
    for node in list(traced.graph.nodes):
        if node.target not in ("mean", torch.mean) or node.kwargs.get("dtype") is not None:
            continue
        given = dict(zip(("input", "dim", "keepdim"), node.args, strict=False)) | dict(node.kwargs)
        if given.get("dim") not in ([2, 3], [3, 2], (2, 3), (3, 2)) or axes.get(given["input"]) != 4:
            continue
        with traced.graph.inserting_before(node):
            pooled = traced.graph.call_function(F.adaptive_avg_pool2d, (given["input"], 1))
            # Later means may read what replaces this one.
            axes[pooled] = 4
            if not given.get("keepdim", False):
                pooled = traced.graph.call_function(torch.flatten, (pooled, 1))
        node.replace_all_uses_with(pooled)
        traced.graph.erase_node(node)

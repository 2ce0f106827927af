"""Tracing: a model as a graph of operations, by torch.fx."""

import copy
import operator

import torch
from torch import fx, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.core.selection import HoldsIntegers, RoundsActivations


def trace(model: nn.Module) -> fx.GraphModule:
    """Return ``model`` as a graph over copies of its modules, with the same names and without in-place operations.

    The graph is that of evaluation mode. Raises ``InputError`` for a network that torch.fx cannot trace, such as one
    with data-dependent control flow.
    """
    # In training mode, random and mode-dependent choices would become fixed parts of the graph.
    model = copy.deepcopy(model).eval()
    try:
        graph = _Tracer().trace(model)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"model {type(model).__name__} cannot be traced: torch.fx cannot follow its forward ({reason}); "
            "a forward must not branch on values of tensors"
        ) from error
    traced = fx.GraphModule(model, graph, class_name=type(model).__name__)
    for module in traced.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]
    for node in traced.graph.nodes:
        if node.op == "call_function" and node.target in (operator.iadd, operator.imul):
            node.target = operator.add if node.target is operator.iadd else operator.mul
        if node.op == "call_function" and "inplace" in node.kwargs:
            node.kwargs = {key: value for key, value in node.kwargs.items() if key != "inplace"}
    _pool_for_means(traced)
    traced.delete_all_unused_submodules()
    traced.recompile()
    return traced


class _Tracer(fx.Tracer):
    """Keeps the layers and quantizers of integer networks as calls, as it keeps torch's own layers."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether ``m`` stays one call."""
        return isinstance(m, (HoldsIntegers, RoundsActivations)) or super().is_leaf_module(m, module_qualified_name)


def _pool_for_means(traced: fx.GraphModule) -> None:
    """Replace means over height and width by global average pooling, for which engines have integer kernels."""
    for node in list(traced.graph.nodes):
        if node.target not in ("mean", torch.mean) or node.kwargs.get("dtype") is not None:
            continue
        given = dict(zip(("self", "dim", "keepdim"), node.args, strict=False)) | dict(node.kwargs)
        if sorted(given["dim"]) != [2, 3] if isinstance(given.get("dim"), (tuple, list)) else True:
            continue
        with traced.graph.inserting_before(node):
            pooled = traced.graph.call_function(F.adaptive_avg_pool2d, (node.args[0], 1))
            if not given.get("keepdim", False):
                pooled = traced.graph.call_function(torch.flatten, (pooled, 1))
        node.replace_all_uses_with(pooled)
        traced.graph.erase_node(node)

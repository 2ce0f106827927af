"""Traced operations that overwrite their input, as operations that compute something new."""

import inspect
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F


def replace_in_place_(traced: fx.GraphModule) -> None:
    """Let every operation of ``traced`` that overwrites its input compute a new tensor, which later readers then read.

    An operation that overwrites a view of another tensor does not change that one afterwards. ``y += x`` is no such
    operation: torch.fx traces it as ``y = y + x``, so another name of the old tensor keeps its value.
    """
    order = {node: index for index, node in enumerate(traced.graph.nodes)}
    for node in traced.graph.nodes:
        if not _overwrites(traced, node):
            continue
        source = node.args[0] if node.args else node.kwargs.get("input")
        if isinstance(source, fx.Node):
            for reader in [reader for reader in source.users if order[reader] > order[node]]:
                reader.replace_input_with(source, node)
        _compute_anew_(node)
    for module in traced.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]


def _overwrites(traced: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(traced.get_submodule(str(node.target)), "inplace", False))
    if node.op not in ("call_method", "call_function"):
        return False
    return _is_in_place(_name(node)) or bool(_arguments(node).get("inplace"))


def _name(node: fx.Node) -> str:
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _is_in_place(name: str) -> bool:
    return name.endswith("_") and not name.endswith("__")


def _arguments(node: fx.Node) -> dict[str, Any]:
    """Return the arguments of a function by name, as far as its signature is known."""
    if not callable(node.target):
        return {}
    try:
        return dict(inspect.signature(node.target).bind(*node.args, **node.kwargs).arguments)
    except (TypeError, ValueError):
        return dict(node.kwargs)


def _compute_anew_(node: fx.Node) -> None:
    name = _name(node)
    if _is_in_place(name):
        places = (Tensor,) if node.op == "call_method" else (torch, F)
        found = next((getattr(place, name[:-1]) for place in places if hasattr(place, name[:-1])), None)
        if callable(found):
            node.target = name[:-1] if node.op == "call_method" else found
    elif "inplace" in node.kwargs:
        node.update_kwarg("inplace", False)
    elif callable(node.target):
        node.update_arg(list(inspect.signature(node.target).parameters).index("inplace"), False)

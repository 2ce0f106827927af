"""Traced operations that overwrite their input, as operations that compute something new."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.dropout import _DropoutNd

from compression.core.augmented_assignment import IN_PLACE_OPERATORS, is_number
from compression.core.call_names import call_name
from compression.core.errors import InputError

# Operations of evaluation mode whose output is their input itself.
_PASSES = {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout"}
_PASSES |= {"stochastic_depth"}
# Operations whose output shares the memory of their input, or may share it.
_WHOLE = {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "permute", "transpose", "expand", "detach"}
_WHOLE |= {"movedim", "moveaxis", "swapaxes", "swapdims", "ravel", "t", "adjoint", "T", "H", "mT", "mH", "diagonal"}
_WHOLE |= {"view_as", "reshape_as", "expand_as", "broadcast_to", "contiguous", "data", "unfold"}
# A conversion returns its input itself if that has the type already.
_WHOLE |= {"to", "type", "type_as", "float", "double", "half", "bfloat16", "cpu", "cuda"}
# Of a part of it, and those that return several parts.
_CUTS = {"chunk", "split", "split_with_sizes", "tensor_split", "unbind"}
_PARTS = {"narrow", "select", "getitem", *_CUTS}
# What stays the same when values are overwritten.
_FACTS = {"shape", "size", "ndim", "dim", "numel", "dtype", "device"}


def replace_in_place_(traced: fx.GraphModule) -> None:
    """Let every operation of ``traced`` that overwrites its input compute a new tensor, which later readers then read.

    What an identity or a dropout returned is the same tensor, so its readers count too. Raises ``InputError`` if a
    tensor is read after a view of it was overwritten.
    """
    order = {node: index for index, node in enumerate(traced.graph.nodes)}

    def is_pass(node: fx.Node) -> bool:
        return _is_one_of(traced, node, _PASSES, (nn.Identity, _DropoutNd))

    def is_whole(node: fx.Node) -> bool:
        if node.target is F.unfold:
            # It copies windows into columns; the method of this name is a view.
            return False
        return is_pass(node) or _is_one_of(traced, node, _WHOLE, (nn.Flatten, nn.Unflatten))

    def is_view(node: fx.Node) -> bool:
        return is_whole(node) or _is_one_of(traced, node, _PARTS, ())

    for node in traced.graph.nodes:
        if not _overwrites(traced, node):
            continue
        if node.target in IN_PLACE_OPERATORS and is_number(node.args[0]):
            _compute_anew_(node)
            continue
        source = _source(node)
        if isinstance(source, fx.Node):
            earlier = {one for one in order if order[one] < order[node]}
            same = set(_list_names(source, is_pass, among=earlier))
            bases = [*_list_bases(source, is_view)]
            # Parts of a base may lie beside the one that is overwritten.
            beside = _list_results(bases, is_whole, among=earlier)
            views = {*bases, *beside, *_list_results(same, is_view, among=earlier)} - same
            _check_views(sorted(views, key=order.__getitem__), node, {*same, *bases}, order)
            for name in same:
                for reader in [reader for reader in name.users if order[reader] > order[node]]:
                    reader.replace_input_with(name, node)
        _compute_anew_(node)
    for module in traced.modules():
        if getattr(module, "inplace", False):
            module.inplace = False  # type: ignore[assignment]


def _is_one_of(traced: fx.GraphModule, node: fx.Node, names: set[str], kinds: tuple[type[nn.Module], ...]) -> bool:
    if node.op == "call_module":
        return isinstance(traced.get_submodule(str(node.target)), kinds)
    return node.op in ("call_method", "call_function") and call_name(node) in names


def _source(node: fx.Node) -> Any:
    """Return the first argument of what ``node`` calls."""
    return node.args[0] if node.args else node.kwargs.get("input")


def _list_bases(node: fx.Node, derived: Callable[[fx.Node], bool]) -> Iterator[fx.Node]:
    """Yield the tensors that ``node`` was derived from, the nearest first."""
    while derived(node) and isinstance(source := _source(node), fx.Node):
        node = source
        yield node


def _list_results(
    nodes: Iterable[fx.Node], derived: Callable[[fx.Node], bool], *, among: set[fx.Node]
) -> Iterator[fx.Node]:
    """Yield what was derived from ``nodes``, also over several steps."""
    for node in nodes:
        found = [user for user in node.users if user in among and derived(user) and _source(user) is node]
        yield from found
        yield from _list_results(found, derived, among=among)


def _list_names(node: fx.Node, derived: Callable[[fx.Node], bool], *, among: set[fx.Node]) -> Iterator[fx.Node]:
    """Yield all nodes that are the same tensor as ``node``."""
    *_, root = (node, *_list_bases(node, derived))
    yield root
    yield from _list_results([root], derived, among=among)


def _check_views(views: Iterable[fx.Node], node: fx.Node, path: set[fx.Node], order: dict[fx.Node, int]) -> None:
    """Refuse a graph that reads one of ``views`` after ``node`` has overwritten a part of its memory.

    ``path`` are the nodes from the first tensor to the view that is overwritten.
    """
    for view in views:
        later = [reader for reader in view.users if order[reader] > order[node] and call_name(reader) not in _FACTS]
        if call_name(view) in _CUTS:
            changed = [one.args[1] for one in view.users if one in path and call_name(one) == "getitem"]
            later = [reader for reader in later if not _reads_beside(reader, changed)]
        if later:
            raise InputError(
                f"{node.name} overwrites a tensor in place, and {later[0].name} reads another view of it afterwards; "
                "compute it anew (inplace=False)"
            )


def _reads_beside(reader: fx.Node, changed: list[Any]) -> bool:
    """Return whether ``reader`` takes one of several parts, and not one of those at the indices ``changed``."""
    if call_name(reader) != "getitem" or not changed:
        return False
    indices = (*changed, reader.args[1])
    if not all(isinstance(index, int) for index in indices):
        return False
    # Indices from the two ends may mean the same part.
    return len({index < 0 for index in indices}) == 1 and reader.args[1] not in changed


def _overwrites(traced: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return bool(getattr(traced.get_submodule(str(node.target)), "inplace", False))
    if node.op not in ("call_method", "call_function"):
        return False
    if node.target in IN_PLACE_OPERATORS:
        return True
    return _is_in_place(call_name(node)) or bool(_arguments(node).get("inplace"))


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
    name = call_name(node)
    if node.target in IN_PLACE_OPERATORS:
        node.target = IN_PLACE_OPERATORS[node.target]
    elif _is_in_place(name):
        places = (Tensor,) if node.op == "call_method" else (torch, F)
        found = next((getattr(place, name[:-1]) for place in places if hasattr(place, name[:-1])), None)
        if callable(found):
            node.target = name[:-1] if node.op == "call_method" else found
    elif "inplace" in node.kwargs:
        node.update_kwarg("inplace", False)
    elif callable(node.target):
        node.update_arg(list(inspect.signature(node.target).parameters).index("inplace"), False)

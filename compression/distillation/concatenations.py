"""Concatenations of layers that are narrower in a student than in its teacher.

After such a layer, the channels of the next one start at another place in the student than in the teacher.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor, fx, nn

from compression.core.augmented_assignment import is_number
from compression.core.axis_counts import count_axes
from compression.core.call_names import call_name
from compression.core.tracing import trace


def find_narrower_part(student: nn.Module, given: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """Return the first concatenation of ``student`` that follows a narrower layer, and the layer; None without one.

    ``given`` are the tensors of the teacher by name, which include the names of the student's. The layer that is
    concatenated last may be narrower. Raises ``InputError`` if the student cannot be traced.
    """
    traced = trace(student)
    axes = count_axes(traced)
    narrower = {name: tensor.shape[:1] != given[name].shape[:1] for name, tensor in student.state_dict().items()}
    for node in traced.graph.nodes:
        for layer, names in _list_makers(_list_joined(node, axes)[:-1], narrower):
            if any(narrower[name] for name in names):
                return node.name, layer
    return None


def _list_joined(node: fx.Node, axes: Mapping[fx.Node, int]) -> list[fx.Node]:
    """Return the tensors that ``node`` concatenates along their channels; it is empty for any other operation."""
    if call_name(node) not in ("cat", "concat", "concatenate", "hstack"):
        return []
    given: dict[str, Any] = dict(zip(("tensors", "dim"), node.args, strict=False)) | dict(node.kwargs)
    dim = given.get("dim", given.get("axis", 1 if call_name(node) == "hstack" else 0))
    joined = given["tensors"]
    # All parts of a split are one node.
    parts = [joined, joined] if isinstance(joined, fx.Node) else [part for part in joined if isinstance(part, fx.Node)]
    is_map = any(axes.get(part) == 4 for part in parts)
    if dim == 0 or (is_map and isinstance(dim, int) and dim % 4 in (2, 3)):
        return []
    return parts


def _list_makers(nodes: list[fx.Node], known: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the nearest layers before ``nodes`` that have tensors among ``known``, each with the names of these."""
    seen = set(nodes)
    while nodes:
        node, *nodes = nodes
        layer = str(node.target) if node.op in ("call_module", "get_attr") else ""
        names = [name for name in known if layer and (name == layer or name.startswith(f"{layer}."))]
        if names:
            yield layer, names
            continue
        fresh = [one for one in node.all_input_nodes if one not in seen and not is_number(one)]
        seen.update(fresh)
        nodes += fresh

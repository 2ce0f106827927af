"""Where activations are quantized, so that integer kernels find integers on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import fx

from compression.quantization.network import graph as ops


@dataclass(frozen=True)
class Place:
    """A quantizer after ``node``: whether negative values come there, and the layers that read its grid."""

    node: fx.Node
    signed: bool
    readers: tuple[str, ...]


def find_places(graph: fx.GraphModule, layers: Mapping[str, object]) -> list[Place]:
    """Return where quantizers go for integer kernels of ``layers``, in the order of execution.

    An engine runs a layer in integers where it finds a grid before it and one behind what it does with it (batch norm,
    ReLU), and the same for sums, products, joints and averages. What only moves values keeps the grid it gets. The
    output of the network stays as it is.
    """
    after: set[fx.Node] = set()
    for node in graph.graph.nodes:
        if _is_quantized(node, layers) or ops.is_merge(graph, node):
            sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
            after |= {_grid_source(graph, source, after) for source in sources}
        if not (_is_quantized(node, layers) or ops.is_merge(graph, node) or ops.is_average(graph, node)):
            continue
        end = ops.end_of_layer(graph, node)
        if not ops.leads_to_output(graph, end):
            after.add(end)
    return [
        Place(node, not ops.is_never_negative(graph, node), _readers(graph, node, layers))
        for node in graph.graph.nodes
        if node in after
    ]


def _is_quantized(node: fx.Node, layers: Mapping[str, object]) -> bool:
    return node.op == "call_module" and str(node.target) in layers


def _grid_source(graph: fx.GraphModule, node: fx.Node, after: set[fx.Node]) -> fx.Node:
    """Return the node whose grid the value of ``node`` has, or is to get."""
    source = node
    while source not in after and ops.is_move(graph, source):
        source = source.all_input_nodes[0]
    return source


def _readers(graph: fx.GraphModule, node: fx.Node, layers: Mapping[str, object]) -> tuple[str, ...]:
    """Return the layers that read the value of ``node``, moved or not."""
    found: list[str] = []
    for user in node.users:
        if _is_quantized(user, layers):
            found.append(str(user.target))
        elif ops.is_move(graph, user):
            found += _readers(graph, user, layers)
    return tuple(dict.fromkeys(found))

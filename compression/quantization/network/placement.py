"""The places where activations are quantized, so that integer kernels have integers as input and output."""

from collections.abc import Collection
from dataclasses import dataclass

from torch import fx

from compression.quantization.network import graph as ops


@dataclass(frozen=True)
class Place:
    """A place for a quantizer after ``node``.

    ``signed`` says whether values can be negative. ``readers`` are the layers that read them, directly or after moves,
    and ``merged`` says whether a sum, a product, a concatenation or an average does.
    """

    node: fx.Node
    signed: bool
    readers: tuple[str, ...]
    merged: bool


def find_places(
    graph: fx.GraphModule, layers: Collection[str], *, readers: Collection[str] | None = None
) -> list[Place]:
    """Return the places of quantizers that integer kernels of ``layers`` need, in the order of execution.

    ``readers`` are all layers that a place may name as its readers, by default ``layers``.

    An engine runs a layer in integers if there is a quantizer before it, and another one after the operations that it
    merges into the layer (batch norm, ReLU). The same holds for sums, products, concatenations and averages. Operations
    that only move values keep the grid of their input. The output of the network is not quantized.
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
    named = layers if readers is None else readers
    found = {node: _users(graph, node) for node in graph.graph.nodes if node in after}
    return [
        Place(
            node,
            not ops.is_never_negative(graph, node),
            tuple(str(user.target) for user in users if _is_quantized(user, named)),
            any(ops.is_merge(graph, user) or ops.is_average(graph, user) for user in users),
        )
        for node, users in found.items()
    ]


def _is_quantized(node: fx.Node, layers: Collection[str]) -> bool:
    return node.op == "call_module" and str(node.target) in layers


def _grid_source(graph: fx.GraphModule, node: fx.Node, after: set[fx.Node]) -> fx.Node:
    """Return the node whose quantizer determines the grid of ``node``, which may only be moved after it."""
    source = node
    while source not in after and ops.is_move(graph, source) and not ops.takes_output(graph, source):
        source = source.all_input_nodes[0]
    return source


def _users(graph: fx.GraphModule, node: fx.Node) -> list[fx.Node]:
    """Return the operations that read the value of ``node``, directly or after moves, each once."""
    found: list[fx.Node] = []
    for user in node.users:
        found += _users(graph, user) if ops.is_move(graph, user) else [user]
    return list(dict.fromkeys(found))

"""A layer-by-layer run of a network over many batches, in which a layer can be changed before the next one runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import psutil
import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from compression.quantization.network import graph as ops

# The memory for activations between layers, for all batches of a network together: this fraction of what is free, but
# at least so many bytes. Batches that do not fit run again for each layer, which takes up to 20 times as long.
_FRACTION = 1 / 8
_LEAST_BYTES = 256 * 2**20

Layer = nn.Conv1d | nn.Conv2d | nn.Linear


def layer_of(graph: nn.Module, name: str) -> Layer:
    """Return the layer called ``name``, which must be one of ``graph.LAYERS``."""
    layer = graph.get_submodule(name)
    assert isinstance(layer, ops.LAYERS), f"{name} is no layer"
    return layer


def layer_nodes(graph: fx.GraphModule) -> dict[str, fx.Node]:
    """Return the node that calls each layer, in the order of execution; layers called more than once are left out."""
    nodes = [node for node in graph.graph.nodes if ops.is_layer(graph, node)]
    calls = [str(node.target) for node in nodes]
    return {name: node for name, node in zip(calls, nodes, strict=True) if calls.count(name) == 1}


class LayerWalk:
    """A walk through a network that yields the inputs of layers, computed with the current state of earlier layers.

    Values that later nodes read are kept for as many batches as fit into ``max_bytes`` at the widest place of the
    network; None for an eighth of the free memory. For each layer, the other batches run again from the images. The
    values are the same.
    """

    def __init__(self, network: fx.GraphModule, batches: Sequence[Tensor], *, max_bytes: int | None = None) -> None:
        max_bytes = _free_share(batches[0].device) if max_bytes is None else max_bytes
        self._interpreter = fx.Interpreter(network)
        self._nodes = list(network.graph.nodes)
        self._batches = batches
        widest = max(self._run({}, batches[0], range(len(self._nodes))))
        self._kept: list[dict[fx.Node, Any]] = [{} for _ in batches[: max_bytes // max(widest, 1)]]
        self._position = 0

    @torch.no_grad()
    def inputs(self, node: fx.Node) -> Iterator[Tensor]:
        """Yield the input of ``node`` for each batch; afterwards, earlier nodes cannot be read any more."""
        [source], end = node.all_input_nodes, self._nodes.index(node)
        assert self._position <= end, f"{node} was passed already"
        for index, batch in enumerate(self._batches):
            kept = index < len(self._kept)
            values = self._kept[index] if kept else {}
            for _ in self._run(values, batch, range(self._position if kept else 0, end)):
                pass
            yield values[source]
        self._position = end

    @torch.no_grad()
    def _run(self, values: dict[fx.Node, Any], batch: Tensor, positions: range) -> Iterator[int]:
        """Compute the nodes at ``positions``, drop values that no later node reads, and yield the bytes in use."""
        last_uses = self._interpreter.user_to_last_uses
        for position in positions:
            node = self._nodes[position]
            self._interpreter.env = values
            values[node] = batch if node.op == "placeholder" else self._interpreter.run_node(node)
            yield sum(leaf.nbytes for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor))
            for done in last_uses.get(node, ()):
                del values[done]


def _free_share(device: torch.device) -> int:
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return max(_LEAST_BYTES, int(free * _FRACTION))

"""Lowering: from a model, as torch.fx traces it, to a program of a few kinds of operations."""

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn

from compression.core.errors import InputError, first_line
from compression.core.tracing import trace
from compression.runtimes.sparse.fusing import fuse_
from compression.runtimes.sparse.handlers.call import Call
from compression.runtimes.sparse.handlers.find_handler import check_modules, find_handler
from compression.runtimes.sparse.handlers.integers import find_integer_handler
from compression.runtimes.sparse.program import Map, Program


def lower(model: nn.Module, *, shape: tuple[int, int, int]) -> Program:
    """Return the program of ``model`` in evaluation mode for images of ``shape``, channels, height and width.

    Raises InputError for a network that torch.fx cannot trace, for an operation without a kernel, which it names, and
    for a shape that the network does not accept.
    """
    return lower_graph(trace(model), shape=shape)


def count_result_bytes(model: nn.Module, *, shape: tuple[int, int, int]) -> int:
    """Return the bytes of the results of all operations for one image, which ``lower`` has in memory at once.

    Nothing of that size is allocated: on the meta device only shapes are computed. Raises InputError as ``lower`` does.
    """
    graph = trace(copy.deepcopy(model).to("meta"))
    found = _run(graph, shape=shape, device="meta").found
    # The output of the graph is the result of its last operation, so the same object counts once.
    results = {id(one): one.nbytes for node, one in found.items() if node.op != "get_attr" and isinstance(one, Tensor)}
    return sum(results.values())


def lower_graph(graph: fx.GraphModule, *, shape: tuple[int, int, int]) -> Program:
    """Return the program of a traced network; see ``lower``."""
    check_modules(graph)
    results = _run(graph, shape=shape, device="cpu")
    image = Map(*shape)
    program = Program(image=image, logits=image)
    maps: dict[fx.Node, Map] = {}
    for node in graph.graph.nodes:
        result = results.found[node]
        if node.op == "placeholder":
            if maps:
                raise InputError("engine sparse: the network has several inputs; allowed: one batch of images")
            maps[node] = image
        elif node.op == "output":
            program.logits = _find_logits(node, result, program=program, maps=maps, results=results.found)
        elif isinstance(result, Tensor) and node.op != "get_attr":
            module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
            call = Call(node, module, result, program=program, maps=maps, results=results.found)
            maps[node] = _write(call)
    fuse_(program)
    return program


def _write(call: Call) -> Map:
    """Append the operations of ``call`` to the program. Raises InputError for arguments that no handler expects."""
    if not call.result.is_floating_point():
        raise call.refuse(f"with a result of {str(call.result.dtype).removeprefix('torch.')}")
    handler = find_integer_handler(call) or find_handler(call)
    try:
        target = handler(call)
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise call.refuse(f"as it is called here ({first_line(error)})") from error
    call.check_arguments()
    return target


def _run(graph: fx.GraphModule, *, shape: tuple[int, int, int], device: str) -> "_Results":
    """Return the results of a traced network for one black image; raises InputError if it does not fit."""
    results = _Results(graph)
    try:
        with torch.inference_mode():
            results.run(torch.zeros(1, *shape, device=device))
    except (RuntimeError, ValueError) as error:
        raise InputError(f"images of shape {list(shape)} do not fit the network: {first_line(error)}") from error
    return results


class _Results(fx.Interpreter):
    """Runs a graph once and keeps the result of every node: tensors for their shapes, and sizes that are computed."""

    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph, garbage_collect_values=False)
        self.found: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run one node and keep its result."""
        self.found[n] = super().run_node(n)
        return self.found[n]


def _find_logits(
    node: fx.Node, result: Any, *, program: Program, maps: dict[fx.Node, Map], results: dict[fx.Node, Any]
) -> Map:
    if not isinstance(result, Tensor) or result.ndim != 2:
        raise InputError("engine sparse: the output of the network must be one tensor of logits [B, classes]")
    source = node.args[0]
    assert isinstance(source, fx.Node)
    return Call(node, None, result, program=program, maps=maps, results=results).in_floats(maps[source])

"""Which handler writes a traced operation as operations of a program."""

import operator
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.selection import HoldsIntegers, RoundsActivations
from compression.runtimes.sparse.handlers import activations, layers, merges, moves, pooling
from compression.runtimes.sparse.handlers.call import Call, Handler, refuse
from compression.runtimes.sparse.program import Map


def find_handler(call: Call) -> Handler:
    """Return the handler of ``call``; raises InputError that names an operation without one."""
    key: Any = type(call.module) if call.module is not None else call.node.target
    handler = _HANDLERS.get(key)
    if handler is None and isinstance(call.module, _BatchNorm):
        handler = layers.batch_norm
    if handler is None:
        raise call.refuse()
    return _keep_integers(handler) if handler in _MOVES else handler


def _keep_integers(handler: Handler) -> Handler:
    """Let an operation that only moves values move integers, which keep their meaning."""

    def handle(call: Call) -> Map:
        call.reads_integers = True
        first, target = len(call.program.operations), handler(call)
        integers = call.program.integers
        for operation in call.program.operations[first:]:
            if operation.source in integers:
                integers[operation.target] = integers[operation.source]
        return target

    return handle


def check_modules(graph: fx.GraphModule) -> None:
    """Raise InputError that names the first module of ``graph`` without a handler, before anything is computed."""
    for node in graph.graph.nodes:
        module = graph.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is not None and type(module) not in _HANDLERS and not isinstance(module, _OTHER_MODULES):
            raise refuse(type(module).__name__, node)
        if isinstance(module, HoldsIntegers) and module.reads == "batch":
            why = "with scales from the batch (dynamic quantization)"
            raise refuse(f"{type(module).__name__} {why}", node)


_OTHER_MODULES = (_BatchNorm, HoldsIntegers, RoundsActivations)


def _register(handlers: dict[Handler, tuple[Any, ...]]) -> dict[Any, Handler]:
    return {kind: handler for handler, kinds in handlers.items() for kind in kinds}


_HANDLERS: dict[Any, Handler] = _register(
    {
        layers.convolution: (nn.Conv2d, F.conv2d, torch.conv2d),
        layers.linear: (nn.Linear, F.linear),
        layers.batch_norm_function: (F.batch_norm,),
        activations.limits(low=0.0): (nn.ReLU, F.relu, torch.relu, "relu"),
        activations.limits(low=0.0, high=6.0): (nn.ReLU6, F.relu6),
        activations.clamp: (
            *(torch.clamp, "clamp", torch.clip, "clip"),
            *(torch.clamp_min, "clamp_min", torch.clamp_max, "clamp_max"),
        ),
        activations.hardtanh: (nn.Hardtanh, F.hardtanh),
        activations.function("sigmoid"): (nn.Sigmoid, F.sigmoid, torch.sigmoid, "sigmoid"),
        activations.function("silu"): (nn.SiLU, F.silu),
        activations.function("hardsigmoid"): (nn.Hardsigmoid, F.hardsigmoid),
        activations.function("hardswish"): (nn.Hardswish, F.hardswish),
        activations.function("tanh"): (nn.Tanh, F.tanh, torch.tanh, "tanh"),
        activations.function("leaky_relu"): (nn.LeakyReLU, F.leaky_relu),
        pooling.max_pool: (nn.MaxPool2d, F.max_pool2d, torch.max_pool2d),
        pooling.adaptive_max_pool: (nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d),
        pooling.average_pool: (nn.AvgPool2d, F.avg_pool2d),
        pooling.adaptive_average_pool: (nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d),
        moves.pass_on: (nn.Identity, "contiguous", "detach", "clone"),
        moves.dropout: (nn.Dropout, nn.Dropout1d, nn.Dropout2d, F.dropout, F.dropout2d),
        moves.flatten: (
            nn.Flatten,
            torch.flatten,
            torch.reshape,
            "flatten",
            "view",
            "reshape",
            "squeeze",
            torch.squeeze,
        ),
        moves.concatenate: (torch.cat, torch.concat),
        moves.get_item: (operator.getitem,),
        moves.pad: (F.pad, nn.ZeroPad2d),
        merges.merge("add"): (operator.add, torch.add, "add"),
        merges.merge("multiply"): (operator.mul, torch.mul, "mul"),
        merges.subtract: (operator.sub, torch.sub, "sub"),
        merges.divide: (operator.truediv, torch.div, "div"),
    }
)

# They move or drop values, and compute none.
_MOVES: tuple[Handler, ...] = (
    pooling.max_pool,
    pooling.adaptive_max_pool,
    moves.pass_on,
    moves.dropout,
    moves.flatten,
    moves.get_item,
)

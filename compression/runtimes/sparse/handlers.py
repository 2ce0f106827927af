"""How each kind of traced operation is written as operations of a program."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from compression.core.batch_norm import fold_factors
from compression.core.errors import InputError
from compression.core.selection import HoldsIntegers, RoundsActivations
from compression.runtimes.sparse.program import (
    INFINITY,
    Binary,
    Convolution,
    Copy,
    Function,
    Map,
    MaxPool,
    MeanPool,
    Operation,
    Pair,
    Program,
    Unary,
    Window,
)

# Names of arguments, in order, of functions and methods.
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "max_pool2d": ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool2d": ("input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"),
    "adaptive_avg_pool2d": ("input", "output_size"),
    "adaptive_max_pool2d": ("input", "output_size"),
    "batch_norm": ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"),
    "conv2d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups"),
    "linear": ("input", "weight", "bias"),
    "clamp": ("input", "min", "max"),
    "hardtanh": ("input", "min_val", "max_val"),
    "leaky_relu": ("input", "negative_slope"),
    "cat": ("tensors", "dim"),
    "pad": ("input", "pad", "mode", "value"),
    "getitem": ("input", "index"),
    "mean": ("input", "dim", "keepdim"),
}


@dataclass
class Call:
    """A traced call of a module, function or method, with what is known of the network before it."""

    node: fx.Node
    module: nn.Module | None
    result: Tensor
    program: Program
    maps: dict[fx.Node, Map]
    results: dict[fx.Node, Any]
    # Whether maps of integers are read as such; otherwise they are first multiplied by their scale.
    reads_integers: bool = False

    @property
    def name(self) -> str:
        """The name of what is called, such as Conv2d or relu."""
        if self.module is not None:
            return type(self.module).__name__
        target: Any = self.node.target
        # PyTorch makes these functions by one that chooses between two, whose name they bear.
        dispatched = {F.max_pool2d: "max_pool2d", F.adaptive_max_pool2d: "adaptive_max_pool2d"}
        return dispatched.get(target) or (
            target if isinstance(target, str) else str(getattr(target, "__name__", target))
        )

    def refuse(self, why: str = "") -> InputError:
        """Return the error that this operation has no kernel."""
        return _refuse(f"{self.name} {why}".rstrip(), self.node)

    def given(self, name: str, default: Any = None) -> Any:
        """Return an argument of a function by name, or the attribute of a module."""
        if self.module is not None:
            return getattr(self.module, name, default)
        names = _ARGUMENTS.get(self.name.rstrip("_"), ("input",))
        if name in self.node.kwargs:
            return self.known(self.node.kwargs[name])
        position = names.index(name) if name in names else len(self.node.args)
        return self.known(self.node.args[position]) if position < len(self.node.args) else default

    def known(self, value: Any) -> Any:
        """Return the map of a node that computes a tensor, the result of any other node, or the constant itself."""
        if isinstance(value, fx.Node):
            found = self.maps.get(value)
            return self.results[value] if found is None else found if self.reads_integers else self.in_floats(found)
        if isinstance(value, (tuple, list)):
            return [self.known(item) for item in value]
        return value

    def in_floats(self, value: Map) -> Map:
        """Return the floats that a map stands for: the map itself unless it holds integers."""
        if value not in self.program.integers:
            return value
        for operation in self.program.readers(value):
            if isinstance(operation, Unary) and operation.function == "scale":
                return operation.target
        scale = self.program.integers[value].scale
        return self.add(Unary(source=value, target=Map(*value.shape), function="scale", slope=scale))

    @property
    def source(self) -> Map:
        """The map that is read."""
        value = self.known(self.node.args[0] if self.node.args else self.node.kwargs.get("input"))
        if not isinstance(value, Map):
            raise self.refuse("of something other than a feature map")
        return value

    def pixels(self) -> Map:
        """Return the map that is read; it must be of images, not flattened."""
        [first, *_] = self.node.all_input_nodes
        if tuple(self.results[first].shape) != (1, *self.source.shape):
            raise self.refuse(f"of a tensor of shape {list(self.results[first].shape)}")
        return self.source

    def target(self) -> Map:
        """Return a new map of the result's shape."""
        shape = tuple(self.result.shape)
        if len(shape) not in (2, 4) or shape[0] != 1:
            raise self.refuse(f"with a result of shape {list(shape)}")
        return Map(*shape[1:])

    def add(self, operation: Operation) -> Map:
        """Append ``operation`` and return its target."""
        self.program.operations.append(operation)
        return operation.target

    def scale(self, source: Map, factor: Tensor, shift: Tensor) -> Map:
        """Multiply each channel by ``factor: [C]`` and add ``shift: [C]``."""
        if len(factor) != source.channels:
            raise self.refuse(f"of {source.channels} channels by {len(factor)} numbers")
        weight = factor.double().numpy().reshape(-1, 1, 1, 1)
        window, groups = Window(kernel=(1, 1)), source.channels
        bias = shift.double().numpy()
        target = Map(*source.shape)
        return self.add(
            Convolution(source=source, target=target, weight=weight, bias=bias, window=window, groups=groups)
        )


Handler = Callable[[Call], Map]


def find_handler(call: Call) -> Handler:
    """Return the handler of ``call``; raises InputError that names an operation without one."""
    key: Any = type(call.module) if call.module is not None else call.node.target
    handler = _HANDLERS.get(key)
    if handler is None and isinstance(call.module, _BatchNorm):
        handler = _batch_norm
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
            raise _refuse(type(module).__name__, node)
        if isinstance(module, HoldsIntegers) and module.reads == "batch":
            why = "with scales from the batch (dynamic quantization)"
            raise _refuse(f"{type(module).__name__} {why}", node)


_OTHER_MODULES = (_BatchNorm, HoldsIntegers, RoundsActivations)


def _refuse(name: str, node: fx.Node) -> InputError:
    return InputError(f"engine sparse: {name} (layer {node.name}) is not supported; use another engine")


def _pair(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def _convolution(call: Call) -> Map:
    weight, bias, groups = call.given("weight"), call.given("bias"), call.given("groups", 1)
    if call.given("padding_mode", "zeros") != "zeros":
        raise call.refuse(f"with padding_mode={call.given('padding_mode')}")
    if not isinstance(weight, Tensor):
        raise call.refuse("with computed weights")
    kernel, dilation = _pair(weight.shape[2:]), _pair(call.given("dilation", 1))
    padding = call.given("padding", 0)
    if padding == "same":
        # PyTorch adds the odd pixel after the map.
        padding = tuple(step * (size - 1) // 2 for size, step in zip(kernel, dilation, strict=True))
    elif padding == "valid":
        padding = 0
    window = Window(kernel=kernel, stride=_pair(call.given("stride", 1)), padding=_pair(padding), dilation=dilation)
    return call.add(
        Convolution(
            source=call.pixels(),
            target=call.target(),
            weight=weight.detach().double().numpy(),
            bias=_bias(bias, len(weight)),
            window=window,
            groups=int(groups),
        )
    )


def _linear(call: Call) -> Map:
    """A linear layer is a convolution whose kernel is as large as the map that was flattened."""
    source, weight, bias = call.source, call.given("weight"), call.given("bias")
    [first, *_] = call.node.all_input_nodes
    if not isinstance(weight, Tensor) or call.results[first].ndim != 2:
        raise call.refuse(f"of a tensor of shape {list(call.results[first].shape)}")
    values = weight.detach().double().numpy().reshape(len(weight), *source.shape)
    window = Window(kernel=(source.height, source.width))
    return call.add(
        Convolution(source=source, target=call.target(), weight=values, bias=_bias(bias, len(weight)), window=window)
    )


def _bias(bias: Any, size: int) -> Any:
    return np.zeros(size) if bias is None else bias.detach().double().numpy()


def _batch_norm(call: Call) -> Map:
    assert isinstance(call.module, _BatchNorm)
    if call.module.running_mean is None:
        raise call.refuse("without running statistics")
    return call.scale(call.source, *(values.detach() for values in fold_factors(call.module)))


def _batch_norm_function(call: Call) -> Map:
    mean, variance, weight, bias = (call.given(name) for name in ("running_mean", "running_var", "weight", "bias"))
    if call.given("training", False) or not isinstance(mean, Tensor):
        raise call.refuse("without running statistics")
    factor = 1 / torch.sqrt(variance.detach().double() + call.given("eps", 1e-5))
    factor = factor if weight is None else factor * weight.detach().double()
    shift = -mean.detach().double() * factor
    return call.scale(call.source, factor, shift if bias is None else shift + bias.detach().double())


def _limits(low: float = -INFINITY, high: float = INFINITY) -> Handler:
    def handle(call: Call) -> Map:
        source = call.source
        return call.add(Unary(source=source, target=Map(*source.shape), function="relu", low=low, high=high))

    return handle


def _clamp(call: Call) -> Map:
    low, high = call.given("min"), call.given("max")
    if isinstance(low, (Map, Tensor)) or isinstance(high, (Map, Tensor)):
        raise call.refuse("by tensors")
    return _limits(-INFINITY if low is None else float(low), INFINITY if high is None else float(high))(call)


def _hardtanh(call: Call) -> Map:
    return _limits(float(call.given("min_val", -1.0)), float(call.given("max_val", 1.0)))(call)


def _function(function: Function) -> Handler:
    def handle(call: Call) -> Map:
        slope = float(call.given("negative_slope", 0.01)) if function == "leaky_relu" else 0.0
        return call.add(Unary(source=call.source, target=Map(*call.source.shape), function=function, slope=slope))

    return handle


def _max_pool(call: Call) -> Map:
    kernel = _pair(call.given("kernel_size"))
    stride = call.given("stride")
    if call.given("return_indices", False):
        raise call.refuse("with return_indices")
    window = Window(
        kernel=kernel,
        stride=_pair(stride) if stride else kernel,
        padding=_pair(call.given("padding", 0)),
        dilation=_pair(call.given("dilation", 1)),
    )
    return call.add(MaxPool(source=call.pixels(), target=call.target(), window=window))


def _adaptive_max_pool(call: Call) -> Map:
    source, target = call.pixels(), call.target()
    if source.height % target.height or source.width % target.width:
        raise call.refuse(f"from {source.height}x{source.width} to {target.height}x{target.width}")
    kernel = source.height // target.height, source.width // target.width
    return call.add(MaxPool(source=source, target=target, window=Window(kernel=kernel, stride=kernel)))


def _average_pool(call: Call) -> Map:
    kernel = _pair(call.given("kernel_size"))
    stride = _pair(call.given("stride") or kernel)
    padding = _pair(call.given("padding", 0))
    source, target = call.pixels(), call.target()
    spans, sizes = [], []
    for axis, length in enumerate((target.height, target.width)):
        size = (source.height, source.width)[axis]
        starts = [index * stride[axis] - padding[axis] for index in range(length)]
        ends = [min(start + kernel[axis], size + padding[axis]) for start in starts]
        inside = [(max(start, 0), min(end, size)) for start, end in zip(starts, ends, strict=True)]
        counted = zip(starts, ends, strict=True) if call.given("count_include_pad", True) else inside
        spans.append(inside)
        sizes.append(np.array([end - start for start, end in counted], dtype=np.float64))
    divisors = np.outer(*sizes)
    if call.given("divisor_override"):
        divisors = np.full_like(divisors, call.given("divisor_override"))
    return call.add(MeanPool(source=source, target=target, rows=spans[0], columns=spans[1], divisors=divisors))


def _adaptive_average_pool(call: Call) -> Map:
    source, target = call.pixels(), call.target()

    def spans(size: int, length: int) -> list[Pair]:
        return [(i * size // length, -((-(i + 1) * size) // length)) for i in range(length)]

    rows, columns = spans(source.height, target.height), spans(source.width, target.width)
    if source.shape == target.shape:
        return source
    divisors = np.outer([end - start for start, end in rows], [end - start for start, end in columns]).astype(float)
    return call.add(MeanPool(source=source, target=target, rows=rows, columns=columns, divisors=divisors))


def _pass_on(call: Call) -> Map:
    return call.source


def _flatten(call: Call) -> Map:
    """A map in memory is already in the order of its flattened values, so flattening does nothing."""
    source = call.source
    shape = list(call.result.shape)
    if shape[0] == 1 and shape[1:] in ([source.channels * source.positions], list(source.shape)):
        return source
    if source.positions == 1 and shape == [1, source.channels, 1, 1]:
        return source
    raise call.refuse(f"to shape {shape}")


def _concatenate(call: Call) -> Map:
    parts = call.given("tensors")
    if call.given("dim", 0) not in (1, 1 - call.result.ndim) or not all(isinstance(part, Map) for part in parts):
        raise call.refuse("along another axis than channels")
    target = call.target()
    if any((part.height, part.width) != (target.height, target.width) for part in parts):
        raise call.refuse("of flattened maps")
    first = 0
    for part in parts:
        call.add(Copy(source=part, target=target, channels=part.channels, to=first))
        first += part.channels
    return target


def _get_item(call: Call) -> Map:
    """A part of a map that was cut along its channels by chunk or split."""
    node, index = call.node.args
    parts = call.results[node] if isinstance(node, fx.Node) else None
    if not isinstance(parts, (tuple, list)) or not isinstance(node, fx.Node) or not isinstance(index, int):
        raise call.refuse()
    source = call.maps.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None
    sizes = [part.shape[1] if part.ndim == 4 else -1 for part in parts]
    if source is None or sum(sizes) != source.channels or -1 in sizes:
        raise call.refuse("along another axis than channels")
    first = sum(sizes[: index % len(sizes)])
    return call.add(Copy(source=source, target=call.target(), channels=sizes[index], first=first))


def _pad(call: Call) -> Map:
    """Zeros around a map are those around a convolution that copies each pixel."""
    pads = call.given("pad" if call.module is None else "padding")
    if call.given("mode", "constant") != "constant" or call.given("value", 0) not in (0, None) or len(pads) > 4:
        raise call.refuse("other than by zeros around the pixels")
    left, _, top, _ = (*pads, 0, 0)[:4]
    source = call.pixels()
    weight, bias = np.ones((source.channels, 1, 1, 1)), np.zeros(source.channels)
    window = Window(kernel=(1, 1), padding=(int(top), int(left)))
    return call.add(
        Convolution(
            source=source, target=call.target(), weight=weight, bias=bias, window=window, groups=source.channels
        )
    )


def _merge(function: Any) -> Handler:
    def handle(call: Call) -> Map:
        left, right = (call.known(value) for value in call.node.args[:2])
        if call.node.kwargs.get("alpha", 1) != 1:
            raise call.refuse("with alpha")
        if not isinstance(left, Map):
            left, right = right, left
        if not isinstance(left, Map):
            raise call.refuse("of constants")
        if isinstance(right, Map):
            return _merge_maps(call, function, left, right)
        return _merge_constant(call, function, left, right)

    return handle


def _merge_maps(call: Call, function: Any, left: Map, right: Map) -> Map:
    if left.positions < right.positions:
        left, right = right, left
    same = left.shape == right.shape
    if not same and (right.positions > 1 or left.channels != right.channels):
        raise call.refuse(f"of shapes {list(left.shape)} and {list(right.shape)}")
    return call.add(Binary(source=left, target=Map(*left.shape), function=function, other=right))


def _merge_constant(call: Call, function: Any, source: Map, constant: Any) -> Map:
    values = torch.as_tensor(constant).detach().double()
    ones, zeros = torch.ones(source.channels).double(), torch.zeros(source.channels).double()
    if values.numel() not in (1, source.channels) or (values.numel() > 1 and values.shape[-2:] != (1, 1)):
        raise call.refuse(f"by a constant of shape {list(values.shape)}")
    values = values.reshape(-1) * ones
    return call.scale(source, ones, values) if function == "add" else call.scale(source, values, zeros)


def _divide(call: Call) -> Map:
    left, right = (call.known(value) for value in call.node.args[:2])
    if not isinstance(left, Map) or not isinstance(right, (int, float)):
        raise call.refuse("by a tensor")
    return _merge_constant(call, "multiply", left, 1.0 / right)


def _register(handlers: dict[Handler, tuple[Any, ...]]) -> dict[Any, Handler]:
    return {kind: handler for handler, kinds in handlers.items() for kind in kinds}


_HANDLERS: dict[Any, Handler] = _register(
    {
        _convolution: (nn.Conv2d, F.conv2d, torch.conv2d),
        _linear: (nn.Linear, F.linear),
        _batch_norm_function: (F.batch_norm, torch.batch_norm),
        _limits(low=0.0): (nn.ReLU, F.relu, torch.relu, "relu", "relu_", torch.relu_),
        _limits(low=0.0, high=6.0): (nn.ReLU6, F.relu6),
        _clamp: (torch.clamp, "clamp", "clamp_"),
        _hardtanh: (nn.Hardtanh, F.hardtanh),
        _function("sigmoid"): (nn.Sigmoid, F.sigmoid, torch.sigmoid, "sigmoid", "sigmoid_"),
        _function("silu"): (nn.SiLU, F.silu),
        _function("hardsigmoid"): (nn.Hardsigmoid, F.hardsigmoid),
        _function("hardswish"): (nn.Hardswish, F.hardswish),
        _function("tanh"): (nn.Tanh, F.tanh, torch.tanh, "tanh"),
        _function("leaky_relu"): (nn.LeakyReLU, F.leaky_relu),
        _max_pool: (nn.MaxPool2d, F.max_pool2d, torch.max_pool2d),
        _adaptive_max_pool: (nn.AdaptiveMaxPool2d, F.adaptive_max_pool2d),
        _average_pool: (nn.AvgPool2d, F.avg_pool2d),
        _adaptive_average_pool: (nn.AdaptiveAvgPool2d, F.adaptive_avg_pool2d),
        _pass_on: (
            *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, F.dropout, F.dropout2d),
            *("contiguous", "detach", "clone"),
        ),
        _flatten: (nn.Flatten, torch.flatten, torch.reshape, "flatten", "view", "reshape", "squeeze", torch.squeeze),
        _concatenate: (torch.cat, torch.concat),
        _get_item: (operator.getitem,),
        _pad: (F.pad, nn.ZeroPad2d),
        _merge("add"): (operator.add, torch.add, "add", "add_"),
        _merge("multiply"): (operator.mul, torch.mul, "mul", "mul_"),
        _divide: (operator.truediv, torch.div, "div"),
    }
)

# They move or drop values, and compute none.
_MOVES: tuple[Handler, ...] = (_max_pool, _adaptive_max_pool, _pass_on, _flatten, _get_item)

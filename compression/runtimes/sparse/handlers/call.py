"""A traced call of a module, function or method, with what is known of the network before it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.runtimes.sparse.program import Convolution, Map, Operation, Pair, Program, Unary, Window

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
    "clip": ("input", "min", "max"),
    "clamp_min": ("input", "min"),
    "clamp_max": ("input", "max"),
    "hardtanh": ("input", "min_val", "max_val"),
    "leaky_relu": ("input", "negative_slope"),
    "cat": ("tensors", "dim"),
    "concat": ("tensors", "dim"),
    "pad": ("input", "pad", "mode", "value"),
    "getitem": ("input", "index"),
    "add": ("input", "other"),
    "sub": ("input", "other"),
    "mul": ("input", "other"),
    "div": ("input", "other"),
    "truediv": ("input", "other"),
    "dropout": ("input", "p", "training"),
    "dropout2d": ("input", "p", "training"),
}
# Arguments that the shape of the result tells, or that have no meaning in evaluation mode.
_NEEDLESS = frozenset(
    ("ceil_mode", "output_size", "start_dim", "end_dim", "shape", "size", "dim", "p", "momentum", "memory_format")
)


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
    _read: set[str] = field(default_factory=lambda: {"input", "self"})

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
        return refuse(f"{self.name} {why}".rstrip(), self.node)

    def given(self, name: str, default: Any = None) -> Any:
        """Return an argument of a function by name, or the attribute of a module."""
        if self.module is not None:
            return getattr(self.module, name, default)
        self._read.add(name)
        names = _ARGUMENTS.get(self.name, ("input",))
        if name in self.node.kwargs:
            return self.known(self.node.kwargs[name])
        position = names.index(name) if name in names else len(self.node.args)
        return self.known(self.node.args[position]) if position < len(self.node.args) else default

    def check_arguments(self) -> None:
        """Raise InputError that names an argument which a function was given and no handler has read."""
        for name, value in self.node.kwargs.items():
            # Options that are off need no kernel.
            if value is not None and value is not False and name not in self._read | _NEEDLESS:
                raise self.refuse(f"with {name}")

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


def refuse(name: str, node: fx.Node) -> InputError:
    """Return the error that the operation ``name`` has no kernel."""
    return InputError(f"engine sparse: {name} (layer {node.name}) is not supported; use another engine")


def pair(value: Any) -> Pair:
    """Return (height, width) from one number for both, or from two."""
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[-1]))

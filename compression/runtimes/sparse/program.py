"""A network as a list of operations on feature maps: what lowering writes, and what the tables are made from."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Function = Literal["relu", "sigmoid", "silu", "hardsigmoid", "hardswish", "tanh", "leaky_relu", "round", "scale"]

INFINITY = float("inf")


@dataclass(frozen=True, eq=False)
class Map:
    """A feature map of one image: ``[C, H, W]``. A vector of features has H = W = 1, or is a map read in order."""

    channels: int
    height: int = 1
    width: int = 1

    @property
    def positions(self) -> int:
        """The number of pixels of one channel."""
        return self.height * self.width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width


@dataclass(frozen=True)
class Integers:
    """What the integers of a map stand for: ``scale`` times each, and none is larger than ``largest``."""

    scale: float
    largest: int


@dataclass(kw_only=True, eq=False)
class Operation:
    """An operation with one source and one target. Results are limited to [low, high].

    With a ``step`` above 0, results are multiplied by it, then limited, then rounded, halves to even. Only
    convolutions, binary operations and rescaling have one.
    """

    source: Map
    target: Map
    low: float = -INFINITY
    high: float = INFINITY
    step: float = 0.0

    @property
    def sources(self) -> tuple[Map, ...]:
        """All maps that the operation reads."""
        return (self.source,)

    @property
    def is_limited(self) -> bool:
        """Whether results are limited."""
        return self.low > -INFINITY or self.high < INFINITY


@dataclass(kw_only=True, eq=False)
class Window:
    """How a kernel moves over a map, per axis (height, width). ``padding`` is what is added before the first pixel."""

    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)


@dataclass(kw_only=True, eq=False)
class Convolution(Operation):
    """A convolution or linear layer. ``weight: [O, I, kH, kW]`` (I: of one group), ``bias: [O]``, float64.

    ``added`` is a map of the target's shape that is added to the result before it is limited. ``units: [O]``, float32,
    are what sums of integers are multiplied with before that; a convolution with units adds nothing.
    """

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    window: Window
    groups: int = 1
    added: Map | None = None
    units: NDArray[np.float32] | None = None

    @property
    def sources(self) -> tuple[Map, ...]:
        """The source and what is added."""
        return (self.source,) if self.added is None else (self.source, self.added)


@dataclass(kw_only=True, eq=False)
class MaxPool(Operation):
    """The maximum over a window."""

    window: Window


@dataclass(kw_only=True, eq=False)
class MeanPool(Operation):
    """The mean over one rectangle of the source per pixel of the target.

    ``rows`` and ``columns`` hold (first, end) for each row and column of the target. ``divisors: [H, W]``.
    """

    rows: list[Pair]
    columns: list[Pair]
    divisors: NDArray[np.float64]


@dataclass(kw_only=True, eq=False)
class Unary(Operation):
    """A function of each value; ``slope`` is that of a leaky ReLU below 0.

    "scale" multiplies by ``slope``. "round" also limits the products to [low, high] and rounds them, halves to even.
    """

    function: Function
    slope: float = 0.0


@dataclass(kw_only=True, eq=False)
class Binary(Operation):
    """The sum or product of two maps; ``other`` may have one pixel, which then serves all pixels of its channel."""

    function: Literal["add", "multiply"]
    other: Map

    @property
    def sources(self) -> tuple[Map, ...]:
        """Both maps."""
        return self.source, self.other


@dataclass(kw_only=True, eq=False)
class Rescale(Operation):
    """Sums of integers multiplied by ``units: [C]``, float32.

    If the source has more channels than the target, each sum is in equally many parts, one after the other. They are
    added in double precision, with ``bias: [C]`` in steps of a unit.
    """

    units: NDArray[np.float32]
    bias: NDArray[np.float64] | None = None


@dataclass(kw_only=True, eq=False)
class Copy(Operation):
    """A copy of ``channels`` channels, from channel ``first`` of the source to channel ``to`` of the target."""

    channels: int
    first: int = 0
    to: int = 0


@dataclass
class Program:
    """The operations of a network in order, from ``image`` to ``logits``."""

    image: Map
    logits: Map
    operations: list[Operation] = field(default_factory=list)
    # The maps that hold integers.
    integers: dict[Map, Integers] = field(default_factory=dict)

    def readers(self, value: Map) -> list[Operation]:
        """Return the operations that read ``value``."""
        return [operation for operation in self.operations if value in operation.sources]

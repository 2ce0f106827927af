"""The plan of a quantized network: bits by layer and by activation, which rebuild it together with its tensors."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from compression.core.json_record import convert_record
from compression.quantization.grid import (
    FULL_PRECISION,
    MAX_BITS,
    MIN_BITS,
    Grid,
    activation_grid,
    check_bits,
    weight_grid,
)

# Bits of a weight on processors that saturate the sum of two products of 8 bits.
REDUCED_BITS = 7
_PACKED = ", stored packed"


class Bits(NamedTuple):
    """Bits of a layer's weight, and of the activation it reads; 32 is float."""

    weight: int
    activation: int


class Activation(NamedTuple):
    """Bits of an activation, and whether it can be negative."""

    bits: int
    signed: bool

    @property
    def grid(self) -> Grid:
        """The integers it is rounded to."""
        return activation_grid(self.bits, signed=self.signed)


@dataclass(frozen=True)
class Plan:
    """Bits by layer and, for scales known beforehand, by the node of the graph after which an activation is rounded.

    ``dynamic``: each layer scales its input at run time. ``unclamped``: nodes of ReLU6 that became ReLU.
    ``reduced_range``: weights have 7 bits where 8 were configured, since the processor would saturate.
    """

    layers: Mapping[str, Bits]
    activations: Mapping[str, Activation] = field(default_factory=dict)
    dynamic: bool = False
    unclamped: tuple[str, ...] = ()
    reduced_range: bool = False

    def weight_grid(self, layer: str) -> Grid:
        """Return the integers of a layer's weight."""
        return weight_grid(self.layers[layer].weight)

    @property
    def lowest_bits(self) -> int:
        """The fewest bits anything is rounded to; 32 where nothing is."""
        return min((bits for pair in (*self.layers.values(), *self._grids()) for bits in pair), default=FULL_PRECISION)

    @property
    def runs_in_integers(self) -> bool:
        """Whether there is a layer that multiplies integers."""
        return any(FULL_PRECISION not in bits for bits in self.layers.values())

    def _grids(self) -> list[tuple[int]]:
        return [(activation.bits,) for activation in self.activations.values()]

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain containers, in columns: values of one kind pack well together."""
        return {
            "layers": list(self.layers),
            "weight_bits": [bits.weight for bits in self.layers.values()],
            "input_bits": [bits.activation for bits in self.layers.values()],
            "activations": list(self.activations),
            "activation_bits": [one.bits for one in self.activations.values()],
            "signed": [one.signed for one in self.activations.values()],
            "dynamic": self.dynamic,
            "unclamped": list(self.unclamped),
            "reduced_range": self.reduced_range,
        }

    @classmethod
    def from_json(cls, content: Any) -> "Plan":
        """Return the plan that ``to_json`` gave; raises ``InputError``."""
        columns = convert_record(content, _Columns, source="its plan of quantization cannot be read")
        layers = zip(columns.layers, columns.weight_bits, columns.input_bits, strict=True)
        activations = zip(columns.activations, columns.activation_bits, columns.signed, strict=True)
        return cls(
            layers={name: Bits(weight, activation) for name, weight, activation in layers},
            activations={name: Activation(bits, signed) for name, bits, signed in activations},
            dynamic=columns.dynamic,
            unclamped=columns.unclamped,
            reduced_range=columns.reduced_range,
        )


class _Columns(Struct):
    layers: Annotated[list[str], Meta(min_length=1)]
    weight_bits: list[int]
    input_bits: list[int]
    activations: list[str]
    activation_bits: list[Annotated[int, Meta(ge=MIN_BITS, le=MAX_BITS)]]
    signed: list[bool]
    dynamic: bool
    unclamped: tuple[str, ...]
    reduced_range: bool

    def __post_init__(self) -> None:
        """Raise ValueError for columns of other lengths, and for bits that no layer can have."""
        if not len(self.layers) == len(self.weight_bits) == len(self.input_bits):
            raise ValueError("layers, weight_bits and input_bits must be equally long")
        if not len(self.activations) == len(self.activation_bits) == len(self.signed):
            raise ValueError("activations, activation_bits and signed must be equally long")
        for key, column in (("weight_bits", self.weight_bits), ("input_bits", self.input_bits)):
            for bits in set(column):
                check_bits_or_off(bits, key=key)


def describe_arithmetic(plan: Plan) -> str:
    """Return e.g. ``W8A8, executed in integers``, or ``W4A8, simulated``: no engine here runs fewer than 8 bits.

    With a reduced range, weights of 7 bits are executed like those of 8.
    """
    weights, activations = ({pair[index] for pair in plan.layers.values()} for index in (0, 1))
    name = f"W{_span(weights)}A{_span(activations | {one.bits for one in plan.activations.values()})}"
    if plan.dynamic:
        name = f"{name} dynamic"
    if min(weights) < (REDUCED_BITS if plan.reduced_range else MAX_BITS) or min(activations) < MAX_BITS:
        return f"{name}, simulated" + (_PACKED if min(weights) < FULL_PRECISION else "")
    return f"{name}, executed in integers" if plan.runs_in_integers else f"{name}, computed in float32"


def describe_plain_file(arithmetic: str | None) -> str:
    """Return ``FP32``, or e.g. ``INT8 (W8A8, executed in integers)``: the content of files other than the artifact.

    ``arithmetic``: the text of ``describe_arithmetic``; None for a network in floating point.
    """
    if arithmetic is None:
        return "FP32"
    # Only the artifact packs integers: elsewhere an integer of fewer bits takes a byte.
    return f"INT8 ({arithmetic.removesuffix(_PACKED)})"


def _span(bits: set[int]) -> str:
    return str(min(bits)) if len(bits) == 1 else f"{min(bits)}-{max(bits)}"


def check_bits_or_off(bits: int, *, key: str) -> None:
    """Raise ``InputError`` unless ``bits`` is an integer from 2 to 8, or 32."""
    if type(bits) is not int or bits != FULL_PRECISION:
        check_bits(bits, key=key)

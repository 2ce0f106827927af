"""The plan of a quantized network: the bits of layers and activations. Plan and tensors rebuild the network."""

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

# Bits of a weight on processors that saturate the sum of two 8-bit products.
REDUCED_BITS = 7
_PACKED = ", stored packed"


class Bits(NamedTuple):
    """The bits of a layer's weight and of its input; 32 means float."""

    weight: int
    activation: int


class Activation(NamedTuple):
    """The bits of an activation. ``signed`` says whether it can be negative."""

    bits: int
    signed: bool

    @property
    def grid(self) -> Grid:
        """The integers that the activation is rounded to."""
        return activation_grid(self.bits, signed=self.signed)


@dataclass(frozen=True)
class Plan:
    """The bits of each layer and of each activation.

    ``activations`` are those with a scale from calibration, by the node of the graph that makes them. ``dynamic`` means
    that each layer scales its input at run time instead. ``unclamped`` are nodes of ReLU6 that became ReLU. With
    ``reduced_range``, weights have 7 bits in place of the configured 8, because the processor would saturate. With
    ``grid_vectors``, weight scales are on ``scale_grid`` and biases on ``bias_grid``.
    """

    layers: Mapping[str, Bits]
    activations: Mapping[str, Activation] = field(default_factory=dict)
    dynamic: bool = False
    unclamped: tuple[str, ...] = ()
    reduced_range: bool = False
    grid_vectors: bool = False

    def weight_grid(self, layer: str) -> Grid:
        """Return the integers that the weight of ``layer`` is rounded to."""
        return weight_grid(self.layers[layer].weight)

    def multiplies_integers(self, layer: str) -> bool:
        """Return whether ``layer`` multiplies integers whose scale is known beforehand."""
        return not self.dynamic and FULL_PRECISION not in self.layers[layer]

    @property
    def weight_span(self) -> tuple[int, int]:
        """The fewest and the most bits of a layer's weight."""
        bits = [one.weight for one in self.layers.values()]
        return min(bits), max(bits)

    @property
    def activation_span(self) -> tuple[int, int]:
        """The fewest and the most bits of a layer's input or another activation."""
        bits = [*(one.activation for one in self.layers.values()), *(one.bits for one in self.activations.values())]
        return min(bits), max(bits)

    @property
    def runs_in_integers(self) -> bool:
        """Whether any layer multiplies integers."""
        return any(FULL_PRECISION not in bits for bits in self.layers.values())

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain containers. Values of one kind share a list, because this compresses well."""
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
            **({"grid_vectors": True} if self.grid_vectors else {}),
        }

    @classmethod
    def from_json(cls, content: Any) -> "Plan":
        """Return the plan that ``to_json`` returned; raises ``InputError`` for anything else."""
        columns = convert_record(content, _Columns, source="its quantization plan cannot be read")
        layers = zip(columns.layers, columns.weight_bits, columns.input_bits, strict=True)
        activations = zip(columns.activations, columns.activation_bits, columns.signed, strict=True)
        return cls(
            layers={name: Bits(weight, activation) for name, weight, activation in layers},
            activations={name: Activation(bits, signed) for name, bits, signed in activations},
            dynamic=columns.dynamic,
            unclamped=columns.unclamped,
            reduced_range=columns.reduced_range,
            grid_vectors=columns.grid_vectors,
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
    # Files of networks without it do not name it.
    grid_vectors: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError if columns differ in length, or for bits that no layer can have."""
        if not len(self.layers) == len(self.weight_bits) == len(self.input_bits):
            raise ValueError("layers, weight_bits and input_bits must be equally long")
        if not len(self.activations) == len(self.activation_bits) == len(self.signed):
            raise ValueError("activations, activation_bits and signed must be equally long")
        for key, column in (("weight_bits", self.weight_bits), ("input_bits", self.input_bits)):
            for bits in set(column):
                check_bits_or_off(bits, key=key)


def describe_arithmetic(plan: Plan) -> str:
    """Return e.g. ``W8A8, executed in integers`` or ``W4A8, simulated``.

    Fewer than 8 bits are simulated, because no engine executes them. With a reduced range, weights of 7 bits are
    executed like those of 8.
    """
    weights, activations = ({pair[index] for pair in plan.layers.values()} for index in (0, 1))
    name = f"W{format_span(*plan.weight_span)}A{format_span(*plan.activation_span)}"
    if plan.dynamic:
        name = f"{name} dynamic"
    if min(weights) < (REDUCED_BITS if plan.reduced_range else MAX_BITS) or min(activations) < MAX_BITS:
        return f"{name}, simulated" + (_PACKED if min(weights) < FULL_PRECISION else "")
    return f"{name}, executed in integers" if plan.runs_in_integers else f"{name}, computed in float32"


def describe_plain_file(arithmetic: str | None) -> str:
    """Return the content of a file other than the artifact: ``FP32`` or e.g. ``INT8 (W8A8, executed in integers)``.

    ``arithmetic`` is the text of ``describe_arithmetic``, or None for a network in floating point.
    """
    if arithmetic is None:
        return "FP32"
    # Only the artifact packs integers. In other files an integer of fewer bits takes a byte.
    return f"INT8 ({arithmetic.removesuffix(_PACKED)})"


def format_span(low: int, high: int) -> str:
    """Return e.g. ``8``, or ``4-8`` for two different numbers of bits."""
    return str(low) if low == high else f"{low}-{high}"


def check_bits_or_off(bits: int, *, key: str) -> None:
    """Raise ``InputError`` unless ``bits`` is an integer from 2 to 8, or 32."""
    if type(bits) is not int or bits != FULL_PRECISION:
        check_bits(bits, key=key)

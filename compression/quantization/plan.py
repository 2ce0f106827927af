"""What is quantized to how many bits: all that must be known, beside its tensors, to rebuild a quantized network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from compression.core.errors import InputError
from compression.quantization.grid import (
    FULL_PRECISION,
    MAX_BITS,
    Grid,
    activation_grid,
    check_bits,
    weight_grid,
)

# What a processor without the instructions for it can hold of a weight of 8 bits.
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

    ``dynamic``: each layer scales what it reads at run time. ``unclamped``: nodes of ReLU6 that became ReLU.
    ``reduced_range``: weights asked for in 8 bits have 7, since the processor would saturate.
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
        """Return the plan as plain containers, in columns: what is alike stands together, so that it packs well."""
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
        try:
            layers = zip(content["layers"], content["weight_bits"], content["input_bits"], strict=True)
            activations = zip(content["activations"], content["activation_bits"], content["signed"], strict=True)
            plan = cls(
                layers={str(name): Bits(weight, activation) for name, weight, activation in layers},
                activations={str(name): Activation(bits, signed) for name, bits, signed in activations},
                dynamic=content["dynamic"],
                unclamped=tuple(content["unclamped"]),
                reduced_range=content["reduced_range"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"its plan of quantization cannot be read: {error}") from error
        for bits in plan.layers.values():
            check_bits_or_off(bits.weight, key="weight_bits")
            check_bits_or_off(bits.activation, key="activation_bits")
        for activation in plan.activations.values():
            check_bits(activation.bits, key="activation_bits")
            if type(activation.signed) is not bool:
                raise InputError("its plan of quantization cannot be read: signed must be true or false")
        flags = (plan.dynamic, plan.reduced_range)
        if not plan.layers or type(content["unclamped"]) is not list or any(type(flag) is not bool for flag in flags):
            raise InputError("its plan of quantization cannot be read: no layers, or flags of the wrong kind")
        if not all(type(name) is str for name in plan.unclamped):
            raise InputError("its plan of quantization cannot be read: unclamped must be names")
        return plan


def describe_arithmetic(plan: Plan) -> str:
    """Return e.g. ``W8A8, executed in integers``; what is below 8 bits no engine here runs as such, and it is said.

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
    """Return ``FP32``, or e.g. ``INT8 (W8A8, executed in integers)``: what other files than the artifact hold.

    ``arithmetic``: what ``describe_arithmetic`` says; None of a network in floating point.
    """
    if arithmetic is None:
        return "FP32"
    # Only the artifact packs them: elsewhere an integer of fewer bits takes a byte.
    return f"INT8 ({arithmetic.removesuffix(_PACKED)})"


def _span(bits: set[int]) -> str:
    return str(min(bits)) if len(bits) == 1 else f"{min(bits)}-{max(bits)}"


def check_bits_or_off(bits: int, *, key: str) -> None:
    """Raise ``InputError`` unless ``bits`` is an integer from 2 to 8, or 32."""
    if type(bits) is not int or bits != FULL_PRECISION:
        check_bits(bits, key=key)

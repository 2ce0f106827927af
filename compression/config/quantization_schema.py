"""Schema of the group ``quantization``: how values are rounded to fewer bits, and how lost accuracy is restored."""

import re
from dataclasses import dataclass, field
from typing import Any

from compression.config.rules import Section, allow, at_least, checked, component, each, one_of, require, within
from compression.core.errors import InputError

FULL_PRECISION = 32
LOW_BITS = range(2, 9)
BITS = (*LOW_BITS, FULL_PRECISION)
BITS_ALLOWED = "an integer in [2, 8], or 32 for off"
METHODS = ("none", "ptq", "qat", "dynamic", "weight_only")
EQUALIZE = ("none", "skip", "replace")


@dataclass(frozen=True)
class LayerBits:
    """Bits of the layers whose name or group matches a pattern."""

    pattern: str
    weight: int
    activation: int | None

    @classmethod
    def parse(cls, text: str, *, key: str = "layer_bits") -> "LayerBits":
        """Return the bits that ``PATTERN:WEIGHT`` or ``PATTERN:WEIGHT/ACTIVATION`` says; raises ``InputError``."""
        found = re.fullmatch(r"(.+):(\d+)(?:/(\d+))?", text)
        require(found, key, text, "PATTERN:BITS or PATTERN:WEIGHT/ACTIVATION")
        assert found is not None
        weight, activation = int(found[2]), int(found[3]) if found[3] else None
        require(weight in BITS and activation in (None, *BITS), key, text, f"bits: {BITS_ALLOWED}")
        return cls(found[1], weight, activation)


def _observer(value: Any, /, *, key: str) -> None:
    if isinstance(value, str):
        raise InputError(f"{key}={value}: choose it with a slash, {key.replace('.', '/')}={value}")
    component(value, key=key)


@dataclass
class AdaRoundConfig(Section):
    """Learned rounding, layer by layer."""

    iterations: int = checked(0, at_least(0, note="; 0 is off"))
    images: int = checked(512, at_least(1))


@dataclass
class BitAllocationConfig(Section):
    """Bits of each layer's weight, chosen by measured sensitivity for a budget."""

    max_bytes: int | None = checked(None, at_least(1, "bytes", note=", or null"))
    max_drop: float | None = checked(None, at_least(0, "points", note=", or null"))
    choices: list[int] = checked(
        [8, 6, 5, 4, 3, 2],
        each(allow(lambda bits: bits in LOW_BITS, "integers in [2, 8]")),
        allow(lambda bits: bits and bits == sorted(set(bits), reverse=True), "falling, one at least"),
    )
    images: int = checked(1000, at_least(1))

    def check(self, at: str) -> None:
        """Raise ``InputError`` if there are two budgets."""
        if self.max_bytes is not None and self.max_drop is not None:
            raise InputError(f"{at}.max_bytes={self.max_bytes} contradicts {at}.max_drop={self.max_drop}: give one")

    @property
    def wanted(self) -> bool:
        """Whether there is a budget."""
        return self.max_bytes is not None or self.max_drop is not None


@dataclass
class QatConfig(Section):
    """Training with rounding."""

    epochs: int = checked(5, at_least(1))
    lr_factor: float = checked(0.1, within("(0, 1]"))
    warmup: float = checked(0.1, within("[0, 1)", "a fraction of all updates, in"))
    learn_step: bool = True


@dataclass
class QuantizationConfig(Section):
    """A method, its observers, and the repairs of accuracy."""

    name: str = checked("none", one_of(*METHODS))
    calibration_batches: int = checked(10, at_least(1))
    calibration_batch_size: int | None = checked(None, at_least(1, note=", or null for data.batch_size"), added=True)
    batch_norm_batches: int = checked(0, at_least(0, note="; 0 is off"))
    # Empty rather than null, so that Hydra names an unknown key when a command sets a part of an absent observer.
    weights: Any = checked({}, _observer)
    activations: Any = checked({}, _observer)
    layer_bits: list[str] = checked([], each(LayerBits.parse))
    allocation: BitAllocationConfig = field(default_factory=BitAllocationConfig)
    equalize: str = checked("none", one_of(*EQUALIZE))
    bias_correction_batches: int = checked(0, at_least(0, note="; 0 is off"))
    adaround: AdaRoundConfig = field(default_factory=AdaRoundConfig)
    rdoq_lambda: float = checked(0.0, at_least(0, "a number", note="; 0 is off"))
    rdoq_batches: int = checked(16, at_least(1))
    training: QatConfig = field(default_factory=QatConfig)
    reduce_range: bool | None = None
    scale_bits: int | None = checked(6, within("[1, 24]", "an integer in", note=", or null for all"))
    bias_bits: int | None = checked(8, within("[1, 24]", "an integer in", note=", or null for all"))

    def check(self, at: str) -> None:
        """Raise ``InputError`` if settings contradict each other or have no effect."""
        if self.layer_bits and self.allocation.wanted:
            raise InputError(
                f"{at}.layer_bits={self.layer_bits} contradicts {at}.allocation, which chooses bits "
                "for every layer: give one"
            )
        if self.rdoq_lambda and self.adaround.iterations:
            raise InputError(
                f"{at}.rdoq_lambda={self.rdoq_lambda} contradicts {at}.adaround, which rounds too: give one"
            )
        for name in ("scale_bits", "bias_bits"):
            value = getattr(self, name)
            if self.rdoq_lambda and value != getattr(QuantizationConfig, name):
                shown = "null" if value is None else value
                raise InputError(
                    f"{at}.{name}={shown} contradicts {at}.rdoq_lambda={self.rdoq_lambda}, which also rounds scales "
                    "and biases: give one"
                )
        self._refuse_what_has_no_effect(at)

    @property
    def refined_weight_bits(self) -> list[int]:
        """The weight bits that ``layer_bits`` gives to some layers."""
        return [LayerBits.parse(text).weight for text in self.layer_bits]

    def _refuse_what_has_no_effect(self, at: str) -> None:
        for text in self.layer_bits if self.name == "weight_only" else ():
            if LayerBits.parse(text).activation not in (None, FULL_PRECISION):
                raise InputError(
                    f"{at}.layer_bits={text} contradicts {at}=weight_only: its activation bits must be 32, or left out"
                )
        repairs = {
            "equalize": (self.equalize != "none", ("ptq",)),
            "adaround.iterations": (self.adaround.iterations > 0, ("ptq",)),
            "bias_correction_batches": (self.bias_correction_batches > 0, ("ptq", "weight_only")),
            "rdoq_lambda": (self.rdoq_lambda > 0, ("ptq", "weight_only")),
            "training": (self.training != QatConfig(), ("qat",)),
            "calibration_batch_size": (self.calibration_batch_size is not None, ("ptq", "qat")),
            "batch_norm_batches": (self.batch_norm_batches > 0, METHODS[1:]),
            "reduce_range": (self.reduce_range is not None, ("ptq", "qat")),
        }
        for name, (wanted, methods) in repairs.items():
            if wanted and self.name not in methods:
                raise InputError(f"{at}.{name} has no part in {at}={self.name}: must be {' or '.join(methods)}")

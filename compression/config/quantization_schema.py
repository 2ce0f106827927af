"""Schema of the group ``quantization``: how values are rounded to fewer bits, and what repairs it."""

import math
import re
from dataclasses import dataclass, field
from typing import Any

from compression.config.require import require
from compression.core.errors import InputError

FULL_PRECISION = 32
BITS = (*range(2, 9), FULL_PRECISION)
BITS_ALLOWED = "an integer in [2, 8], or 32 for off"
METHODS = ("none", "ptq", "qat", "dynamic", "weight_only")
EQUALIZE = ("none", "skip", "replace")


@dataclass(frozen=True)
class LayerBits:
    """What ``PATTERN:W`` or ``PATTERN:W/A`` says: bits of the layers whose name or group it matches."""

    pattern: str
    weight: int
    activation: int | None

    @classmethod
    def parse(cls, text: str) -> "LayerBits":
        """Return it read; raises ``InputError``."""
        found = re.fullmatch(r"(.+):(\d+)(?:/(\d+))?", text)
        require(found is not None, "quantization.layer_bits", text, "PATTERN:BITS or PATTERN:WEIGHT/ACTIVATION")
        assert found is not None
        weight, activation = int(found[2]), int(found[3]) if found[3] else None
        for bits in (weight, activation):
            require(bits is None or bits in BITS, "quantization.layer_bits", text, f"bits: {BITS_ALLOWED}")
        return cls(found[1], weight, activation)


@dataclass
class AdaRoundConfig:
    """Learned rounding, layer by layer."""

    iterations: int = 0
    images: int = 512

    def __post_init__(self) -> None:
        require(self.iterations >= 0, "quantization.adaround.iterations", self.iterations, "an integer >= 0; 0 is off")
        require(self.images >= 1, "quantization.adaround.images", self.images, "an integer >= 1")


@dataclass
class BitAllocationConfig:
    """Bits of each layer's weight chosen by measured sensitivity, for a budget."""

    max_bytes: int | None = None
    max_drop: float | None = None
    choices: list[int] = field(default_factory=lambda: [8, 6, 5, 4, 3, 2])
    images: int = 1000

    def __post_init__(self) -> None:
        key = "quantization.allocation"
        require(
            self.max_bytes is None or self.max_bytes >= 1, f"{key}.max_bytes", self.max_bytes, "bytes >= 1, or null"
        )
        require(self.max_drop is None or self.max_drop >= 0, f"{key}.max_drop", self.max_drop, "points >= 0, or null")
        if self.max_bytes is not None and self.max_drop is not None:
            raise InputError(f"{key}.max_bytes={self.max_bytes} contradicts {key}.max_drop={self.max_drop}: give one")
        require(self.images >= 1, f"{key}.images", self.images, "an integer >= 1")
        for bits in self.choices:
            require(bits in BITS[:-1], f"{key}.choices", bits, "integers in [2, 8]")
        falling = self.choices == sorted(set(self.choices), reverse=True)
        require(bool(self.choices) and falling, f"{key}.choices", self.choices, "falling, one at least")

    @property
    def wanted(self) -> bool:
        """Whether there is a budget."""
        return self.max_bytes is not None or self.max_drop is not None


@dataclass
class QatConfig:
    """Training with rounding."""

    epochs: int = 5
    lr_factor: float = 0.1
    warmup: float = 0.1
    learn_step: bool = True

    def __post_init__(self) -> None:
        require(self.epochs >= 1, "quantization.training.epochs", self.epochs, "an integer >= 1")
        require(0 < self.lr_factor <= 1, "quantization.training.lr_factor", self.lr_factor, "in (0, 1]")
        require(
            0 <= self.warmup < 1, "quantization.training.warmup", self.warmup, "a fraction of all updates, in [0, 1)"
        )


@dataclass
class QuantizationConfig:
    """A method, its observers, and what repairs the loss."""

    name: str = "none"
    calibration_batches: int = 10
    batch_norm_batches: int = 0
    # Empty rather than null, so that setting an observer where there is none is told as an unknown key.
    weights: Any = field(default_factory=dict)
    activations: Any = field(default_factory=dict)
    layer_bits: list[str] = field(default_factory=list)
    allocation: BitAllocationConfig = field(default_factory=BitAllocationConfig)
    equalize: str = "none"
    bias_correction_batches: int = 0
    adaround: AdaRoundConfig = field(default_factory=AdaRoundConfig)
    rdoq_lambda: float = 0.0
    rdoq_batches: int = 16
    training: QatConfig = field(default_factory=QatConfig)
    reduce_range: bool | None = None
    scale_bits: int | None = 6
    bias_bits: int | None = 8

    def __post_init__(self) -> None:
        require(self.name in METHODS, "quantization.name", self.name, f"one of {', '.join(METHODS)}")
        require(self.equalize in EQUALIZE, "quantization.equalize", self.equalize, f"one of {', '.join(EQUALIZE)}")
        for key in ("weights", "activations"):
            choice = getattr(self, key)
            if isinstance(choice, str):
                raise InputError(f"quantization.{key}={choice}: choose it with a slash, quantization/{key}={choice}")
        if self.layer_bits and self.allocation.wanted:
            raise InputError(
                f"quantization.layer_bits={self.layer_bits} contradicts quantization.allocation, which chooses bits "
                "for every layer: give one"
            )
        self._check_rdoq()
        self._refuse_what_has_no_effect()
        for text in self.layer_bits:
            LayerBits.parse(text)
        for key in ("batch_norm_batches", "bias_correction_batches"):
            require(getattr(self, key) >= 0, f"quantization.{key}", getattr(self, key), "an integer >= 0; 0 is off")
        for key in ("scale_bits", "bias_bits"):
            bits = getattr(self, key)
            allowed = "an integer in [1, 24], or null for all"
            require(bits is None or 1 <= bits <= 24, f"quantization.{key}", bits, allowed)
        key = "calibration_batches"
        require(self.calibration_batches >= 1, f"quantization.{key}", self.calibration_batches, "an integer >= 1")

    def _check_rdoq(self) -> None:
        lam = self.rdoq_lambda
        require(0 <= lam < math.inf, "quantization.rdoq_lambda", lam, "a number >= 0; 0 is off")
        require(self.rdoq_batches >= 1, "quantization.rdoq_batches", self.rdoq_batches, "an integer >= 1")
        if lam and self.adaround.iterations:
            raise InputError(
                f"quantization.rdoq_lambda={lam} contradicts quantization.adaround, which rounds too: give one"
            )

    def _refuse_what_has_no_effect(self) -> None:
        repairs = {
            "equalize": (self.equalize != "none", ("ptq",)),
            "adaround.iterations": (self.adaround.iterations > 0, ("ptq",)),
            "bias_correction_batches": (self.bias_correction_batches > 0, ("ptq", "weight_only")),
            "rdoq_lambda": (self.rdoq_lambda > 0, ("ptq", "weight_only")),
        }
        for key, (wanted, methods) in repairs.items():
            if wanted and self.name not in methods:
                allowed = " or ".join(methods)
                raise InputError(f"quantization.{key} has no part in quantization={self.name}: must be {allowed}")
        if self.name != "qat" and self.training != QatConfig():
            raise InputError(f"quantization.training has no part in quantization={self.name}: must be qat")

    def check_bits(self, weight_bits: int, activation_bits: int) -> None:
        """Raise ``InputError`` for bits that are none, or that this method does not go with."""
        for key, bits in (("weight_bits", weight_bits), ("activation_bits", activation_bits)):
            require(bits in BITS, key, bits, BITS_ALLOWED)
        off = weight_bits == activation_bits == FULL_PRECISION
        if self.name == "none" and not off:
            key, bits = (
                ("weight_bits", weight_bits) if weight_bits in BITS[:-1] else ("activation_bits", activation_bits)
            )
            raise InputError(f"{key}={bits} contradicts quantization=none: must be 32 (off), or quantization=ptq")
        if self.name == "weight_only" and activation_bits != FULL_PRECISION:
            raise InputError(f"activation_bits={activation_bits} contradicts quantization=weight_only: must be 32")
        if self.name == "weight_only" and off:
            raise InputError("weight_bits=32 contradicts quantization=weight_only: must be an integer in [2, 8]")
        if self.name == "dynamic" and FULL_PRECISION in (weight_bits, activation_bits):
            key = "weight_bits" if weight_bits == FULL_PRECISION else "activation_bits"
            raise InputError(f"{key}=32 contradicts quantization=dynamic: must be an integer in [2, 8], e.g. bits=8")
        if self.name == "qat" and off:
            raise InputError("weight_bits=32 contradicts quantization=qat: must be an integer in [2, 8], e.g. bits=8")
        if self.rdoq_lambda and weight_bits == FULL_PRECISION and not self.layer_bits:
            raise InputError(
                f"quantization.rdoq_lambda={self.rdoq_lambda} rounds weights: weight_bits must be below 32, e.g. 8"
            )
        if off and (self.layer_bits or self.allocation.wanted):
            raise InputError("quantization.layer_bits and allocation refine bits=...: weight_bits must be below 32")

"""What an artifact says about its model: architecture, classes, input and free notes."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from compression.core.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """The call that builds the model: ``target(num_classes=num_classes, **kwargs)``.

    A ``compacted`` one has fewer channels than that; how many, the shapes of its tensors say. ``folded``: batch norm is
    folded into the layers before it.
    """

    target: str
    num_classes: int
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    compacted: bool = False
    folded: bool = False


@dataclass(frozen=True)
class InputSpec:
    """RGB images of ``size`` x ``size`` pixels in [0, 1], then ``(x - mean) / std`` per channel."""

    size: int
    mean: Sequence[float]
    std: Sequence[float]
    channels: int = 3


@dataclass(frozen=True)
class ModelCard:
    """Everything in an artifact's header but the table of tensors."""

    architecture: Architecture
    class_names: Sequence[str]
    input: InputSpec
    info: Mapping[str, Any] = field(default_factory=dict)
    # What rebuilds a quantized network: `compression.quantization.plan.Plan`.
    quantization: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raise InputError where the parts contradict each other or are of the wrong kind."""
        architecture, spec = self.architecture, self.input
        _require(type(architecture.target) is str, "target", architecture.target, "a dotted name")
        _require(isinstance(architecture.kwargs, Mapping), "kwargs", architecture.kwargs, "a mapping")
        _require(type(architecture.compacted) is bool, "compacted", architecture.compacted, "true or false")
        _require(type(architecture.folded) is bool, "folded", architecture.folded, "true or false")
        num_classes = architecture.num_classes
        _require(type(num_classes) is int and num_classes >= 1, "num_classes", num_classes, "1 or more")
        _require(
            _is_list_of(self.class_names, str) and len(self.class_names) == num_classes,
            "class_names",
            self.class_names,
            f"{num_classes} names, one a class",
        )
        _require(type(spec.size) is int and 1 <= spec.size <= 1 << 16, "size", spec.size, "1 to 65536 pixels")
        _require(spec.channels == 3, "channels", spec.channels, "3")
        for name, values in (("mean", spec.mean), ("std", spec.std)):
            finite = _is_list_of(values, float, int) and all(abs(value) <= sys.float_info.max for value in values)
            _require(finite and len(values) == spec.channels, name, values, "3 finite numbers")
        _require(all(value > 0 for value in spec.std), "std", spec.std, "numbers above 0")
        _require(isinstance(self.info, Mapping), "info", self.info, "a mapping")
        plan = self.quantization
        _require(plan is None or isinstance(plan, Mapping), "quantization", plan, "a mapping, or none")

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain containers."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "ModelCard":
        """Return the card that ``to_json`` gave; raises InputError."""
        try:
            return cls(
                architecture=Architecture(**content["architecture"]),
                class_names=content["class_names"],
                input=InputSpec(**content["input"]),
                info=content["info"],
                quantization=content.get("quantization"),
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"its header is incomplete: {error}") from error


def _is_list_of(values: Any, *kinds: type) -> bool:
    return isinstance(values, (list, tuple)) and all(type(value) in kinds for value in values)


def _require(condition: bool, name: str, value: Any, allowed: str) -> None:
    if not condition:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        raise InputError(f"{name}={shown} cannot be stored in an artifact; allowed: {allowed}")

"""The description of the model in an artifact: architecture, classes, input and free notes."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from compression.core.errors import InputError
from compression.core.json_record import Count, Finite, convert_record
from compression.core.preparation import COLOUR_NAMES, Fit, Preparation

_ByChannel = Annotated[list[Finite], Meta(min_length=1, max_length=3)]
_Level = Annotated[int, Meta(ge=0, le=255)]
# Fields of the input that files of earlier versions do not have. At their defaults they are not written.
_ADDED = {"fit": "crop", "background": None, "value_range": None}


class Architecture(Struct, frozen=True, forbid_unknown_fields=True):
    """The call that builds the model: ``target(num_classes=num_classes, **kwargs)``.

    A ``compacted`` model has fewer channels than the model that this call returns; the shapes of its tensors say how
    many. In a ``folded`` model, batch norm is part of the layers before it.
    """

    target: str
    num_classes: Count
    kwargs: Mapping[str, Any] = {}
    compacted: bool = False
    folded: bool = False


class InputSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """The input: RGB or grey images of ``size`` x ``size`` pixels in [0, 1], ``(x - mean) / std`` per channel.

    ``fit``, ``background`` and ``value_range`` say how an image file becomes these pixels; see ``Preparation``.
    """

    size: Annotated[int, Meta(ge=1, le=1 << 16)]
    mean: _ByChannel
    std: _ByChannel
    channels: Annotated[int, Meta(ge=1, le=3)] = 3
    fit: Fit = "crop"
    background: Annotated[list[_Level], Meta(min_length=3, max_length=3)] | None = None
    value_range: Annotated[list[Finite], Meta(min_length=2, max_length=2)] | None = None

    def __post_init__(self) -> None:
        """Raise InputError unless numbers fit the channels, every ``std`` is above 0 and the range rises."""
        if self.channels not in COLOUR_NAMES:
            raise InputError(f"channels={self.channels}: must be 1 or 3")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != self.channels:
                raise InputError(f"{name}={values!r:.80}: must have one number per channel, {self.channels}")
        if not min(self.std) > 0:
            raise InputError(f"std={self.std!r:.80}: must be numbers above 0")
        if self.value_range is not None and not self.value_range[0] < self.value_range[1]:
            raise InputError(f"value_range={self.value_range!r:.80}: must rise")

    @property
    def preparation(self) -> Preparation:
        """How an image file becomes the pixels of the input."""
        background, span = self.background, self.value_range
        return Preparation(
            channels=self.channels,
            fit=self.fit,
            background=None if background is None else (background[0], background[1], background[2]),
            value_range=None if span is None else (span[0], span[1]),
        )


class ModelCard(Struct, frozen=True):
    """The header of an artifact without its table of tensors. Only ``from_json`` checks the types of the values."""

    architecture: Architecture
    class_names: list[str]
    input: InputSpec
    info: dict[str, Any]
    # The plan that rebuilds a quantized network: `compression.quantization.plan.Plan`.
    quantization: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Raise InputError unless there is one name per class."""
        if len(self.class_names) != self.architecture.num_classes:
            raise InputError(f"class_names={self.class_names!r:.80}: must be {self.architecture.num_classes} names")

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain containers."""
        given = structs.asdict(self.input)
        written = {key: value for key, value in given.items() if key not in _ADDED or value != _ADDED[key]}
        return structs.asdict(self) | {"architecture": structs.asdict(self.architecture), "input": written}

    @classmethod
    def from_json(cls, content: Any) -> "ModelCard":
        """Return the card that ``to_json`` returned; raises InputError. Unknown keys are ignored."""
        return convert_record(content, cls)

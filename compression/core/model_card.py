"""The description of the model in an artifact: architecture, classes, input and free notes."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta, Struct, structs

from compression.core.errors import InputError
from compression.core.json_record import Count, Finite, convert_record

_ByChannel = Annotated[list[Finite], Meta(min_length=3, max_length=3)]


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
    """The input: RGB images of ``size`` x ``size`` pixels in [0, 1], normalized by ``(x - mean) / std`` per channel."""

    size: Annotated[int, Meta(ge=1, le=1 << 16)]
    mean: _ByChannel
    std: _ByChannel
    channels: Annotated[int, Meta(ge=3, le=3)] = 3

    def __post_init__(self) -> None:
        """Raise InputError unless every ``std`` is above 0."""
        if not min(self.std) > 0:
            raise InputError(f"std={self.std!r:.80}: must be numbers above 0")


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
        parts = {"architecture": structs.asdict(self.architecture), "input": structs.asdict(self.input)}
        return structs.asdict(self) | parts

    @classmethod
    def from_json(cls, content: Any) -> "ModelCard":
        """Return the card that ``to_json`` returned; raises InputError. Unknown keys are ignored."""
        return convert_record(content, cls)

"""Facts that a run notes in its artifact: data, seed, stages, and correct predictions on held-out training images.

Notes are free: other programs may write anything there. What is not such a fact is ignored.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct

from compression.core.errors import InputError
from compression.core.json_record import Whole, convert_record

_NumImages = Annotated[int, Meta(ge=0, le=1 << 62)]
_T = TypeVar("_T")
_PARTS = {"train": "training", "val": "held-out training", "test": "test"}


class DataFacts(Struct, frozen=True):
    """The data set: its name, the first 16 hex digits of its fingerprint, and the images in train, val and test."""

    name: str
    fingerprint: str
    images: dict[str, _NumImages] = {}

    @property
    def parts(self) -> dict[str, int]:
        """The number of images by part in words: training, held-out training and test images first."""
        first = {words: self.images[part] for part, words in _PARTS.items() if part in self.images}
        return first | {part: count for part, count in self.images.items() if part not in _PARTS}


class Validation(Struct, frozen=True):
    """Held-out training images by class: those that the network in the file classifies correctly, and all."""

    correct: list[_NumImages]
    images: list[_NumImages]

    def __post_init__(self) -> None:
        """Raise ValueError unless each class has at least as many images as correct ones."""
        if len(self.correct) != len(self.images) or any(
            hits > total for hits, total in zip(self.correct, self.images, strict=True)
        ):
            raise ValueError("correct and images must be counts of the same classes, correct <= images")
        if not sum(self.images):
            raise ValueError("images must have one image at least")

    @property
    def accuracy(self) -> float:
        """The fraction of all images that is classified correctly."""
        return sum(self.correct) / sum(self.images)

    @property
    def recalls(self) -> dict[int, float]:
        """The fraction of correct images by the number of the class, for classes with images."""
        pairs = enumerate(zip(self.correct, self.images, strict=True))
        return {index: hits / total for index, (hits, total) in pairs if total}

    @property
    def balanced_accuracy(self) -> float:
        """The mean of ``recalls``."""
        return sum(self.recalls.values()) / len(self.recalls)


class FileFacts(Struct, frozen=True):
    """The facts in the notes of a file; None or empty for those that it lacks."""

    data: DataFacts | None = None
    seed: int | None = None
    stages: list[str] = []
    validation: Validation | None = None


def read_facts(info: Mapping[str, Any], *, num_classes: int) -> FileFacts:
    """Return the facts in the notes ``info`` of a file with ``num_classes`` classes."""
    validation = _read(info, "validation", Validation)
    return FileFacts(
        data=_read(info, "data", DataFacts),
        seed=_read(info, "seed", Whole),
        stages=_read(info, "stages", list[str]) or [],
        validation=validation if validation and len(validation.images) == num_classes else None,
    )


def _read(info: Mapping[str, Any], key: str, kind: type[_T] | Any) -> Any:
    if key not in info:
        return None
    try:
        return convert_record(info[key], kind)
    except InputError:
        return None

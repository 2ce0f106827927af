"""The intake check of a folder of images: damaged files, images in both train and test, class imbalance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compression.core.errors import InputError
from compression.data.options import shorten

# Images of the largest class per image of the smallest. Above this ratio accuracy says little.
MAX_IMBALANCE = 10.0


@dataclass(frozen=True)
class Intake:
    """Findings about a folder of images.

    ``damaged`` maps file names to reasons. ``repeated`` holds pairs of a training image and a test image with the same
    content. ``train_counts`` maps class names to the number of training and validation images.
    """

    damaged: Mapping[str, str]
    repeated: tuple[tuple[str, str], ...]
    train_counts: Mapping[str, int]

    @property
    def imbalance(self) -> float:
        """Number of training images of the largest class divided by that of the smallest class."""
        return max(self.train_counts.values()) / min(self.train_counts.values())

    def list_warnings(self) -> tuple[str, ...]:
        """Return one line for each finding that is worth a warning."""
        lines = []
        if self.damaged:
            lines.append(f"{len(self.damaged)} damaged images left out: {_name_first(self.damaged)}")
        if self.repeated:
            pairs = shorten([f"{train} = {test}" for train, test in self.repeated], limit=3)
            lines.append(f"{len(self.repeated)} test images are in train too, so test accuracy is too high: {pairs}")
        if self.imbalance > MAX_IMBALANCE:
            most = max(self.train_counts, key=lambda name: self.train_counts[name])
            least = min(self.train_counts, key=lambda name: self.train_counts[name])
            lines.append(
                f"heavy imbalance: {self.train_counts[most]} training images of {most}, "
                f"{self.train_counts[least]} of {least} ({self.imbalance:.1f} to 1)"
            )
        return tuple(lines)


def inspect_images(
    *,
    names: Sequence[str],
    digests: Sequence[str],
    class_of: Sequence[str],
    is_test: Sequence[bool],
    damaged: Mapping[str, str],
) -> Intake:
    """Return the findings about a set of images.

    The sequences have one entry per readable image: file name, content hash, class name, and whether it is a test
    image. ``damaged`` is copied into the result.
    """
    in_train: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for name, digest, class_name, test in zip(names, digests, class_of, is_test, strict=True):
        if not test:
            in_train.setdefault(digest, name)
            counts[class_name] += 1
    repeated = tuple(
        (in_train[digest], name)
        for name, digest, test in zip(names, digests, is_test, strict=True)
        if test and digest in in_train
    )
    return Intake(damaged=dict(damaged), repeated=repeated, train_counts=dict(counts))


def refuse_damaged(root: Path, damaged: Mapping[str, str]) -> None:
    """Raise ``InputError`` with the number of damaged files and the first three names, if there are any."""
    if damaged:
        noun = "image" if len(damaged) == 1 else "images"
        raise InputError(
            f"data.root={root}: {len(damaged)} damaged {noun}: {_name_first(damaged)}; "
            "repair or remove them, or set data.skip_corrupt=true to leave them out"
        )


def _name_first(damaged: Mapping[str, str]) -> str:
    return shorten([f"{name} ({reason})" for name, reason in damaged.items()], limit=3)

"""The intake check: damaged files, images in train and test both, heavy imbalance, told in plain lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compression.core.errors import InputError
from compression.data.options import shorten

# Beyond this many images of the largest class per image of the smallest, accuracy says little.
MAX_IMBALANCE = 10.0


@dataclass(frozen=True)
class Intake:
    """What was noticed about a folder of images.

    ``damaged`` maps file names to reasons, ``repeated`` pairs a training image with the test image of the
    same content, ``train_counts`` maps class names to training images (validation ones included).
    """

    damaged: Mapping[str, str]
    repeated: tuple[tuple[str, str], ...]
    train_counts: Mapping[str, int]

    @property
    def imbalance(self) -> float:
        """Training images of the largest class per image of the smallest."""
        return max(self.train_counts.values()) / min(self.train_counts.values())

    def list_warnings(self) -> tuple[str, ...]:
        """Return one line for each finding that does not stop us."""
        lines = []
        if self.damaged:
            lines.append(f"{len(self.damaged)} damaged images left out: {_name_first(self.damaged)}")
        if self.repeated:
            pairs = shorten([f"{train} = {test}" for train, test in self.repeated], limit=3)
            lines.append(f"{len(self.repeated)} test images stand in train too, so test accuracy flatters: {pairs}")
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
    """Compare training with test images by content hash, and count classes; sequences run along images."""
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
    """Raise InputError that counts the damaged files and names the first few, if there are any."""
    if damaged:
        noun = "image" if len(damaged) == 1 else "images"
        raise InputError(
            f"data.root={root}: {len(damaged)} damaged {noun}: {_name_first(damaged)}; "
            "repair or remove them, or set data.skip_corrupt=true to leave them out"
        )


def _name_first(damaged: Mapping[str, str]) -> str:
    return shorten([f"{name} ({reason})" for name, reason in damaged.items()], limit=3)

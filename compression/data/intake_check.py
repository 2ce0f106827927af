"""The intake check of a folder of images: damage, files passed over, masks, copies in two parts, class imbalance."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compression.core.errors import InputError
from compression.core.text import count_noun, shorten
from compression.data.equal_images import Overlap, Pairs, describe_conflicts, find_conflicts, find_overlaps, name_pairs
from compression.data.walk_folder import PassedOver

# Images of the largest class per image of the smallest. Above this ratio accuracy says little.
MAX_IMBALANCE = 10.0
# Number and share of constant or equal pictures from which a warning names them: fewer do no harm.
_MANY, _MANY_SHARE = 3, 0.02

_HARM = {
    ("train", "test"): ", so test accuracy {verb} too high",
    ("train", "val"): ", so validation accuracy {verb} too high",
    ("val", "test"): ", so test accuracy {verb} too high",
}


@dataclass(frozen=True)
class Intake:
    """Findings about a folder of images.

    ``damaged`` maps images to reasons, ``faults`` links, folders and names that cannot be used. ``overlaps`` have equal
    content in two parts, ``near`` have alike pixels, ``straddling`` are keys of groups with images in two parts.
    ``conflicts`` are pairs of equal content in two classes. ``train_counts`` maps class names to the number of training
    and validation images. ``constant`` images have one colour; ``equal`` are pairs of equal pixels. ``masks`` are lines
    of ``describe_masks``.
    """

    damaged: Mapping[str, str]
    overlaps: tuple[Overlap, ...]
    train_counts: Mapping[str, int]
    num_images: int
    faults: Mapping[str, str] = field(default_factory=dict)
    conflicts: Pairs = ()
    near: tuple[Overlap, ...] = ()
    straddling: tuple[str, ...] = ()
    constant: tuple[str, ...] = ()
    equal: Pairs = ()
    masks: tuple[str, ...] = ()
    passed_over: PassedOver = field(default_factory=PassedOver)

    @property
    def imbalance(self) -> float:
        """Number of training images of the largest class divided by that of the smallest class."""
        return max(self.train_counts.values()) / min(self.train_counts.values())

    def list_warnings(self) -> tuple[str, ...]:
        """Return one line for each finding that is worth a warning."""
        lines = []
        if self.damaged:
            lines.append(f"{count_noun(len(self.damaged), 'damaged image')} left out: {_name_first(self.damaged)}")
        if self.faults:
            lines.append(f"{count_noun(len(self.faults), 'path')} left out: {_name_first(self.faults)}")
        if missed := describe_missed(self.passed_over):
            lines.append(f"images passed over: {missed}")
        if self.conflicts:
            lines.append(describe_conflicts(self.conflicts))
        return (*lines, *self.list_findings())

    def list_findings(self) -> tuple[str, ...]:
        """Return the warnings about the images that are used: masks, copies, groups, pixels, imbalance."""
        lines = [*self.masks]
        lines += [_describe_overlap(overlap) for overlap in self.overlaps]
        lines += [_describe_near(overlap) for overlap in self.near]
        if self.straddling:
            keys = shorten(self.straddling, limit=3)
            groups = count_noun(len(self.straddling), "group")
            lines.append(f"{groups} of data.group_pattern with images in two parts: {keys}")
        lines += self._list_pixel_warnings()
        if self.imbalance > MAX_IMBALANCE:
            most = max(self.train_counts, key=lambda name: self.train_counts[name])
            least = min(self.train_counts, key=lambda name: self.train_counts[name])
            lines.append(
                f"heavy imbalance: {self.train_counts[most]} training images of {most}, "
                f"{self.train_counts[least]} of {least} ({self.imbalance:.1f} to 1)"
            )
        return tuple(lines)

    def _list_pixel_warnings(self) -> list[str]:
        enough = max(_MANY, _MANY_SHARE * self.num_images)
        lines = []
        if len(self.constant) >= enough:
            some = shorten(self.constant, limit=3)
            lines.append(f"{len(self.constant):,} of {self.num_images:,} images have one colour all over: {some}")
        if len(self.equal) >= enough:
            some = name_pairs(self.equal)
            lines.append(f"{len(self.equal):,} of {self.num_images:,} images equal another after decoding: {some}")
        return lines


def inspect_images(
    *,
    names: Sequence[str],
    digests: Sequence[str],
    class_of: Sequence[str],
    parts: Sequence[str],
    damaged: Mapping[str, str],
) -> Intake:
    """Return the findings about a set of images.

    The sequences have one entry per readable image: file name, content hash, class name, and train, val or test.
    ``damaged`` is copied into the result.
    """
    counts = Counter(class_name for class_name, part in zip(class_of, parts, strict=True) if part != "test")
    return Intake(
        damaged=dict(damaged),
        overlaps=find_overlaps(names, digests, parts),
        train_counts=dict(counts),
        num_images=len(names),
        conflicts=find_conflicts(names, digests, class_of),
    )


def describe_missed(passed_over: PassedOver) -> str:
    """Return the numbers of pictures that a user may miss: of unread formats, and outside of the class folders."""
    found = [f"{count:,} {kind}" for kind, count in passed_over.unread.most_common()]
    unread = f"{shorten(found, limit=6)} (formats that are not read)" if found else ""
    places = [f"{count:,} in {folder or 'the root folder'}" for folder, count in passed_over.homeless.most_common()]
    homeless = f"{shorten(places, limit=3)}, in no class folder" if places else ""
    return "; ".join(filter(None, (unread, homeless)))


def refuse_damaged(root: Path, damaged: Mapping[str, str]) -> None:
    """Raise ``InputError`` with the number of damaged files and the first three names, if there are any."""
    if damaged:
        raise InputError(
            f"data.root={root}: {count_noun(len(damaged), 'damaged image')}: {_name_first(damaged)}; "
            "repair or remove them, or set data.skip_corrupt=true to leave them out"
        )


def _describe_overlap(overlap: Overlap) -> str:
    harm = _HARM[overlap.first, overlap.second].format(verb="is")
    num, some = count_noun(len(overlap.pairs), f"{overlap.second} image"), name_pairs(overlap.pairs)
    return f"{num} also in {overlap.first}{harm}: {some}"


def _describe_near(overlap: Overlap) -> str:
    harm = _HARM[overlap.first, overlap.second].format(verb="may be")
    num = count_noun(len(overlap.pairs), f"{overlap.second} image")
    some = name_pairs(overlap.pairs, sign="~", limit=2)
    return f"{num} nearly equal to one in {overlap.first}{harm}: {some}"


def _name_first(damaged: Mapping[str, str]) -> str:
    return shorten([f"{name} ({reason})" for name, reason in damaged.items()], limit=3)

"""Images that are equal: as files in two parts or under two labels, and as pixels after decoding."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError
from compression.core.text import count_noun, shorten

Pairs = tuple[tuple[str, str], ...]

# The parts of an overlap in the order of their use: an image should not be met again in a later one.
OVERLAPS = (("train", "test"), ("train", "val"), ("val", "test"))


@dataclass(frozen=True)
class Overlap:
    """Images of the part ``second`` that are also in ``first``: pairs of (name in first, name in second)."""

    first: str
    second: str
    pairs: Pairs


def find_overlaps(names: Sequence[str], digests: Sequence[str], parts: Sequence[str]) -> tuple[Overlap, ...]:
    """Return the images whose content is in two parts, for all pairs of parts that have any."""
    homes: dict[str, dict[str, str]] = {"train": {}, "val": {}, "test": {}}
    for name, digest, part in zip(names, digests, parts, strict=True):
        homes[part].setdefault(digest, name)
    found = []
    for first, second in OVERLAPS:
        pairs = tuple(
            (homes[first][digest], name)
            for name, digest, part in zip(names, digests, parts, strict=True)
            if part == second and digest in homes[first]
        )
        if pairs:
            found.append(Overlap(first, second, pairs))
    return tuple(found)


def find_conflicts(names: Sequence[str], digests: Sequence[str], classes: Sequence[str]) -> Pairs:
    """Return pairs of files with equal content in different classes: the first file of that content, and another."""
    first: dict[str, tuple[str, str]] = {}
    found = []
    for name, digest, class_name in zip(names, digests, classes, strict=True):
        other, its_class = first.setdefault(digest, (name, class_name))
        if its_class != class_name:
            found.append((other, name))
    return tuple(found)


def refuse_conflicts(root: Path, pairs: Pairs) -> None:
    """Raise ``InputError`` with the number of images under two labels and the first three, if there are any."""
    if pairs:
        raise InputError(
            f"data.root={root}: {describe_conflicts(pairs)}; "
            "remove the wrong ones, or set data.allow_conflicts=true to train on them"
        )


def describe_conflicts(pairs: Pairs) -> str:
    """Return the number of images under two labels and the first three."""
    return f"{count_noun(len(pairs), 'image')} with the content of an image of another class: {name_pairs(pairs)}"


def find_constant(pixel_sums: NDArray[np.int64], *, pixels_per_image: int) -> NDArray[np.int64]:
    """Return the rows of images that have one colour all over. ``pixel_sums`` are those of ``sum_pixels``."""
    first, second = pixel_sums[..., 0], pixel_sums[..., 1]
    return np.flatnonzero((second * pixels_per_image == first**2).all(axis=1))


def find_equal_pixels(pixel_sums: NDArray[np.int64], thumbnails: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Return pairs (row, the first row of equal pixels), by the first of the pair.

    Images count as equal if the sums, the sums of squares and the thumbnails of their pixels are.
    """
    sums = np.ascontiguousarray(pixel_sums).reshape(len(pixel_sums), -1)
    # Most images differ in this one number already; it may overflow.
    keys = sums @ np.arange(1, 2 * sums.shape[1], 2)
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    first: dict[bytes, int] = {}
    pairs = []
    for row in np.flatnonzero(counts[inverse] > 1).tolist():
        origin = first.setdefault(sums[row].tobytes() + thumbnails[row].tobytes(), row)
        if origin != row:
            pairs.append((row, origin))
    return pairs


def name_pairs(pairs: Sequence[tuple[str, str]], *, sign: str = "=", limit: int = 3) -> str:
    """Return the first pairs for a message, and the number of the others."""
    return shorten([f"{one} {sign} {other}" for one, other in pairs], limit=limit)

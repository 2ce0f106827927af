"""The intake check of a decoded folder: its listing, decoded images and parts, put together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from compression.data.equal_images import OVERLAPS, Overlap, find_constant, find_equal_pixels
from compression.data.image_scan import Decoded
from compression.data.intake_check import Intake, inspect_images
from compression.data.listing import FolderListing
from compression.data.near_duplicates import find_near_duplicates
from compression.data.probable_masks import describe_masks

_ORDER = ("train", "val", "test")


def inspect_folder(
    listing: FolderListing,
    decoded: Decoded,
    parts: Mapping[str, Tensor],
    *,
    digests: Sequence[str],
    groups: Sequence[str] | None = None,
    pixels_per_image: int,
) -> Intake:
    """Return the findings about the images of ``listing``.

    ``parts`` has the rows in train, val and test. ``digests`` are hashes of the files' content, ``groups`` the keys of
    ``data.group_pattern``, both with an entry for each image of ``listing``.
    """
    names = listing.names
    home = {row: part for part, rows in parts.items() for row in rows.tolist()}
    rows = sorted(home)
    intake = inspect_images(
        names=[names[i] for i in rows],
        digests=[digests[i] for i in rows],
        class_of=[listing.class_names[listing.labels[i]] for i in rows],
        parts=[home[i] for i in rows],
        damaged={names[i]: why for i, why in decoded.damaged.items()},
    )
    constant = set(find_constant(decoded.pixel_sums, pixels_per_image=pixels_per_image).tolist())
    equal = find_equal_pixels(decoded.pixel_sums, decoded.thumbnails)
    return replace(
        intake,
        near=_find_near(names, decoded, home, digests),
        straddling=_find_straddling(groups, home) if groups else (),
        faults=listing.faults,
        constant=tuple(names[i] for i in sorted(constant) if i in home),
        # Constant images are listed already, and damaged ones have no pixels.
        equal=tuple((names[other], names[i]) for i, other in equal if i in home and i not in constant),
        masks=describe_masks([names[i] for i in rows], decoded.facts["colours"][rows]),
        passed_over=listing.passed_over,
    )


def _find_near(
    names: Sequence[str], decoded: Decoded, home: Mapping[int, str], digests: Sequence[str]
) -> tuple[Overlap, ...]:
    """Return near-duplicates in two parts without those of equal content, which have a line of their own."""
    places = np.array([_ORDER.index(home[i]) if i in home else -1 for i in range(len(names))], np.int64)
    found: dict[tuple[str, str], list[tuple[str, str]]] = {overlap: [] for overlap in OVERLAPS}
    for later, earlier in find_near_duplicates(decoded.thumbnails, places):
        if digests[later] != digests[earlier]:
            found[home[earlier], home[later]].append((names[earlier], names[later]))
    return tuple(Overlap(first, second, tuple(pairs)) for (first, second), pairs in found.items() if pairs)


def _find_straddling(groups: Sequence[str], home: Mapping[int, str]) -> tuple[str, ...]:
    parts_of: dict[str, set[str]] = {}
    for row, part in home.items():
        parts_of.setdefault(groups[row], set()).add(part)
    return tuple(sorted(key for key, parts in parts_of.items() if len(parts) > 1))

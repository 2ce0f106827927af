"""A folder of labelled images that no run has recorded: all of its test images, at any number per class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import psutil
import torch

from compression.artifact import Artifact
from compression.commands.labelled_images import LabelledImages, match_classes, relabel
from compression.core.errors import InputError
from compression.core.text import shorten
from compression.data.base import Split
from compression.data.file_images import FileImages
from compression.data.image_scan import decode_files
from compression.data.listing import FolderListing, list_folder, refuse_faults

# Bytes of pixels that are kept in memory at most, as in data.resident_limit_mib.
_RESIDENT_BYTES = 4096 << 20


def load_root(root: Path, artifact: Artifact) -> LabelledImages:
    """Return the images under ``root/test/<class>``, or all under ``root/<class>``; raises InputError in one line.

    ``root/val``, if it exists, holds the held-out images. Class folders are matched to the model's classes by name.
    """
    try:
        # Class folders that hold only folders are fine here: their names must be those of the model's classes.
        listing = list_folder(root, allow_nested=True)
        refuse_faults(listing, remedy="repair or remove them")
    except InputError as error:
        raise InputError(str(error).replace("data.root=", "--data ", 1)) from error
    order = match_classes(listing.class_names, artifact.class_names, source=f"--data {root}")
    test, held_out = (_list_rows(listing, part) for part in ("test", "val"))
    notes: tuple[str, ...] = ()
    if listing.parts is None:
        notes = ("all images of the folder count; if the model was trained on some of them, its accuracy is too high",)
    return LabelledImages(
        test=relabel(_read(listing, test, artifact), order),
        held_out=relabel(_read(listing, held_out, artifact), order) if held_out else None,
        groups={},
        origin=f"{len(test):,} images of {root if listing.parts is None else root / listing.part_folders['test']}",
        notes=notes,
    )


def _list_rows(listing: FolderListing, part: str) -> list[int]:
    if listing.parts is None:
        return list(range(len(listing.names))) if part == "test" else []
    return [row for row, home in enumerate(listing.parts) if home == part]


def _read(listing: FolderListing, rows: Sequence[int], artifact: Artifact) -> Split:
    """Return the images of ``rows``: in memory if they fit there, else decoded at each use."""
    size, names = artifact.image_size, [listing.names[row] for row in rows]
    keep = len(rows) * artifact.channels * size**2 <= min(_RESIDENT_BYTES, psutil.virtual_memory().total // 2)
    try:
        decoded = decode_files(
            listing.root, names, image_size=size, keep=keep, fingerprint="", preparation=artifact.preparation
        )
    except InputError as error:
        raise InputError(str(error).replace("data.root=", "--data ", 1)) from error
    if decoded.damaged:
        found = shorten([f"{names[index]} ({reason})" for index, reason in decoded.damaged.items()], limit=3)
        raise InputError(f"--data {listing.root}: {len(decoded.damaged)} damaged images, to repair or remove: {found}")
    labels = torch.from_numpy(np.array(listing.labels, np.int64)[list(rows)])
    if decoded.images is not None:
        return Split(torch.from_numpy(decoded.images), labels)
    paths = [f"{listing.root}/{name}" for name in names]
    return Split(FileImages(paths, image_size=size, preparation=artifact.preparation), labels)

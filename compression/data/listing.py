"""List of the images in a folder of class folders, with all checks that need no image content."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compression.core.errors import InputError
from compression.data.decode import EXTENSIONS, list_extensions
from compression.data.options import shorten

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class FolderListing:
    """Images of a folder, sorted by name.

    ``names`` are paths relative to ``root`` with forward slashes. ``labels`` are indices into ``class_names``.
    ``parts`` holds train, val or test for each image; it is None for a folder that this package divides itself.
    """

    root: Path
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    parts: tuple[str, ...] | None


def list_folder(root: Path) -> FolderListing:
    """Return the images under ``root/{train,test[,val]}/<class>/...``, or else under ``root/<class>/...``.

    Hidden files and folders are skipped. Raises ``InputError`` for a missing root, a missing test part, fewer than two
    classes, a class without images, or parts with different classes.
    """
    if not root.is_dir():
        kind = "not a folder" if root.exists() else "no such folder"
        raise InputError(f"data.root={root}: {kind}; allowed is a folder of class folders of images")
    if not _is_split(root):
        classes = _list_classes(root)
        return _combine(root, {"": classes})
    parts = {part: _list_classes(root / part) for part in PARTS if (root / part).is_dir()}
    for part, classes in parts.items():
        for odd in sorted(set(classes) ^ set(parts["train"])):
            here, there = (part, "train") if odd in classes else ("train", part)
            raise InputError(
                f"data.root={root}: class {odd} is in {here} but not in {there}; "
                "allowed is the same class folders in every part"
            )
    return _combine(root, parts)


def _is_split(root: Path) -> bool:
    train, test = root / "train", root / "test"
    if train.is_dir() and test.is_dir():
        return True
    # A folder `train` without `test` that directly holds images is a class of that name (such as the vehicle).
    if train.is_dir() and any(_scan(train, directories=True)):
        raise InputError(f"data.root={root}: holds train but no test folder; allowed is both, or neither")
    return False


def _list_classes(folder: Path) -> dict[str, list[Path]]:
    classes = {entry.name: sorted(_walk(Path(entry.path))) for entry in _scan(folder, directories=True)}
    if not classes:
        raise InputError(f"data.root={folder}: holds no class folders; allowed is one folder per class")
    for name, files in sorted(classes.items()):
        if not files:
            raise InputError(
                f"data.root={folder}: class {name} is empty; allowed is at least one image "
                f"({list_extensions()}) per class"
            )
    return classes


def _scan(folder: Path, *, directories: bool) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(".") and entry.is_dir() == directories:
                yield entry


def _walk(folder: Path) -> Iterator[Path]:
    for entry in _scan(folder, directories=False):
        if entry.name.lower().endswith(EXTENSIONS):
            yield Path(entry.path)
    for entry in _scan(folder, directories=True):
        yield from _walk(Path(entry.path))


def _combine(root: Path, parts: dict[str, dict[str, list[Path]]]) -> FolderListing:
    class_names = tuple(sorted({name for classes in parts.values() for name in classes}))
    if len(class_names) < 2:
        raise InputError(f"data.root={root}: has one class ({class_names[0]}); allowed is two or more class folders")
    index = {name: i for i, name in enumerate(class_names)}
    found = sorted(
        (file.relative_to(root).as_posix(), index[name], part)
        for part, classes in parts.items()
        for name, files in classes.items()
        for file in files
    )
    names, labels, homes = zip(*found, strict=True)
    return FolderListing(root, class_names, names, labels, None if "" in parts else homes)


def check_can_split(listing: FolderListing) -> None:
    """Raise ``InputError`` if a class has too few images to be in every part.

    A class needs 3 images if train, val and test are divided here, and 2 training images if only val is.
    """
    splits_train = listing.parts is None or "val" not in listing.parts
    if not splits_train:
        return
    of_training = [
        label for i, label in enumerate(listing.labels) if listing.parts is None or listing.parts[i] == "train"
    ]
    least = 3 if listing.parts is None else 2
    counts = Counter(of_training)
    small = [name for i, name in enumerate(listing.class_names) if counts[i] < least]
    if small:
        raise InputError(
            f"data.root={listing.root}: class {shorten(small)} has fewer than {least} images; "
            f"allowed is at least {least} per class where we split them"
        )

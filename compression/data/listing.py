"""List of the images in a folder of class folders, with all checks that need no image content."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compression.core.errors import InputError
from compression.core.text import count_noun, shorten
from compression.data.folder_levels import refuse_extra_level
from compression.data.folder_parts import find_parts
from compression.data.image_formats import list_extensions
from compression.data.name_forms import explain_lookalike, find_lookalike
from compression.data.path_patterns import PathPatterns
from compression.data.walk_folder import PassedOver, Walk, list_subfolders, walk_folder


@dataclass(frozen=True)
class FolderListing:
    """Images of a folder, sorted by name.

    ``names`` are paths relative to ``root`` with forward slashes. ``labels`` are indices into ``class_names``.
    ``parts`` holds train, val or test for each image; it is None for a folder that this package divides itself.
    ``part_folders`` has the name of the folder of each part. ``faults`` maps paths that cannot be used to the reason.
    """

    root: Path
    class_names: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[int, ...]
    parts: tuple[str, ...] | None
    part_folders: Mapping[str, str] = field(default_factory=dict)
    faults: Mapping[str, str] = field(default_factory=dict)
    passed_over: PassedOver = field(default_factory=PassedOver)


def list_folder(root: Path, *, patterns: PathPatterns | None = None, allow_nested: bool = False) -> FolderListing:
    """Return the images under ``root/{train,test[,val]}/<class>/...``, or else under ``root/<class>/...``.

    Parts may also be called training, testing, valid and validation, in any case. Hidden files and folders are skipped,
    and images that ``patterns`` leave out. Raises ``InputError`` for a missing root, a missing test part, fewer than
    two classes, a class without images, parts with different classes, and, unless ``allow_nested``, class folders that
    hold only folders.
    """
    if not root.is_dir():
        kind = "not a folder" if root.exists() else "no such folder"
        raise InputError(f"data.root={root}: {kind}; allowed is a folder of class folders of images")
    walk = Walk()
    folders = list_subfolders(root, into=walk)
    part_folders = find_parts(root, folders)
    if part_folders is None:
        found = {"": _list_classes(root, "", folders, patterns, walk)}
    else:
        found = {
            part: _list_classes(root, name, list_subfolders(root, name, into=walk), patterns, walk)
            for part, name in part_folders.items()
        }
        _count_beside(root, sorted(set(folders) - set(part_folders.values())), walk)
    if not allow_nested:
        refuse_extra_level(root, {folder: images for one in found.values() for folder, images in one.items()})
    by_part = {part: {_last(folder): images for folder, images in one.items()} for part, one in found.items()}
    _refuse_empty(root, found, walk)
    _refuse_other_classes(root, by_part)
    return _combine(root, by_part, part_folders or {}, walk)


def refuse_faults(listing: FolderListing, *, remedy: str = "") -> None:
    """Raise ``InputError`` with the number of files and folders that cannot be used and the first three, if any."""
    if listing.faults:
        found = shorten([f"{path} ({reason})" for path, reason in listing.faults.items()], limit=3)
        remedy = remedy or "repair or remove them, or set data.skip_corrupt=true to leave them out"
        num = count_noun(len(listing.faults), "path")
        raise InputError(f"data.root={listing.root}: {num} that cannot be used: {found}; {remedy}")


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _list_classes(
    root: Path, inside: str, folders: list[str], patterns: PathPatterns | None, walk: Walk
) -> dict[str, list[str]]:
    """Return the images of each class folder, by the path of the folder inside ``root``."""
    where = root / inside
    if not folders:
        num = walk.passed_over.homeless[inside]
        lie = f" but {num:,} images" if num else ""
        raise InputError(f"data.root={where}: holds no class folders{lie}; allowed is one folder per class")
    classes = {}
    for name in folders:
        folder = f"{inside}/{name}" if inside else name
        before, unwanted = len(walk.images), walk.passed_over.unwanted
        walk_folder(root, folder, patterns=patterns, into=walk)
        # A class folder that patterns leave out completely is no class.
        if len(walk.images) > before or walk.passed_over.unwanted == unwanted:
            classes[folder] = walk.images[before:]
    if not classes:
        raise InputError(f"data.root={where}: data.include and data.exclude leave no image")
    if other := next(filter(None, (find_lookalike(name, folders) for name in folders)), None):
        name = find_lookalike(other, folders) or other
        raise InputError(
            f"data.root={where}: two class folders look alike: {explain_lookalike(name, other)}; rename one"
        )
    return classes


def _count_beside(root: Path, folders: list[str], walk: Walk) -> None:
    for name in folders:
        beside = walk_folder(root, name)
        if beside.images:
            walk.passed_over.homeless[name] += len(beside.images)


def _refuse_empty(root: Path, found: Mapping[str, Mapping[str, list[str]]], walk: Walk) -> None:
    for classes in found.values():
        for folder, images in sorted(classes.items()):
            if not images:
                where, name = (root / folder).parent, _last(folder)
                raise InputError(
                    f"data.root={where}: class {name} is empty{_explain_empty(folder, walk)}; allowed is at least one "
                    f"image ({list_extensions()}) per class"
                )


def _explain_empty(folder: str, walk: Walk) -> str:
    faults = [reason for path, reason in walk.faults.items() if f"{path}/".startswith(f"{folder}/")]
    if faults:
        return f" ({faults[0]})"
    unread = [f"{count:,} {kind}" for kind, count in walk.passed_over.unread.most_common(3)]
    return f" (formats that are not read: {', '.join(unread)})" if unread else ""


def _refuse_other_classes(root: Path, found: Mapping[str, Mapping[str, list[str]]]) -> None:
    for part, classes in found.items():
        for odd in sorted(set(classes) ^ set(found["train"])) if part else ():
            here, there = (part, "train") if odd in classes else ("train", part)
            alike = find_lookalike(odd, found[there])
            how = f" ({explain_lookalike(odd, alike)})" if alike else ""
            raise InputError(
                f"data.root={root}: class {odd} is in {here} but not in {there}{how}; "
                "allowed is the same class folders in every part"
            )


def _combine(
    root: Path, parts: Mapping[str, Mapping[str, list[str]]], part_folders: Mapping[str, str], walk: Walk
) -> FolderListing:
    class_names = tuple(sorted({name for classes in parts.values() for name in classes}))
    if len(class_names) < 2:
        raise InputError(f"data.root={root}: has one class ({class_names[0]}); allowed is two or more class folders")
    index = {name: i for i, name in enumerate(class_names)}
    found = sorted(
        (file, index[name], part)
        for part, classes in parts.items()
        for name, files in classes.items()
        for file in files
    )
    names, labels, homes = zip(*found, strict=True)
    return FolderListing(
        *(root, class_names, names, labels, None if "" in parts else homes),
        part_folders=dict(part_folders),
        faults=dict(sorted(walk.faults.items())),
        passed_over=walk.passed_over,
    )


def check_can_split(listing: FolderListing, *, groups: Sequence[str] | None = None) -> None:
    """Raise ``InputError`` if a class has too few images, or too few ``groups`` of images, to be in every part.

    A class needs 3 images if train, val and test are divided here, and 2 training images if only val is.
    """
    splits_train = listing.parts is None or "val" not in listing.parts
    if not splits_train:
        return
    rows = [row for row in range(len(listing.labels)) if listing.parts is None or listing.parts[row] == "train"]
    least = 3 if listing.parts is None else 2
    # Without groups, every image is one.
    members = {(listing.labels[row], row if groups is None else groups[row]) for row in rows}
    counts = Counter(label for label, _ in members)
    small = [name for i, name in enumerate(listing.class_names) if counts[i] < least]
    if small:
        noun = "images" if groups is None else "groups of images (data.group_pattern)"
        raise InputError(
            f"data.root={listing.root}: class {shorten(small)} has fewer than {least} {noun}; "
            f"allowed is at least {least} per class where we split them"
        )

"""A walk through a folder: the images in it, the files that cannot be used, and everything that is passed over."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from compression.data.image_formats import UNREAD_EXTENSIONS, find_extension, is_image
from compression.data.path_patterns import PathPatterns

# Folders that systems and archives make beside the pictures: small copies, halves of files, deleted files.
SYSTEM_FOLDERS = ("@eaDir", "__MACOSX", "#recycle", "$RECYCLE.BIN", "System Volume Information", "lost+found")

_FOLDER, _FILE = "folder", "file"
_LOOP = "link to a folder around it"


@dataclass
class PassedOver:
    """Numbers of files that are not read: by extension, by place, or by choice.

    ``unread`` are pictures of formats that are not read, ``others`` are all other files, both by extension.
    ``homeless`` are images outside of all class folders, by the folder they lie in. ``unwanted`` images are left out by
    patterns. ``hidden`` counts files and folders whose name begins with a dot, ``system`` the ``SYSTEM_FOLDERS``.
    """

    unread: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    homeless: Counter[str] = field(default_factory=Counter)
    unwanted: int = 0
    hidden: int = 0
    system: int = 0


@dataclass
class Walk:
    """Result of a walk. Paths are relative to the root, with forward slashes.

    ``faults`` maps a path to the reason why it cannot be used: dead links, loops of links, names that are not UTF-8.
    """

    images: list[str] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    passed_over: PassedOver = field(default_factory=PassedOver)


def walk_folder(
    root: Path | str, inside: str = "", *, patterns: PathPatterns | None = None, into: Walk | None = None
) -> Walk:
    """Return what the folder ``inside`` of ``root`` holds at any depth, added to ``into`` if it is given.

    Links to files and folders are followed, unless they lead back to a folder around them. Hidden files and folders and
    ``SYSTEM_FOLDERS`` are passed over. Images are in no particular order.
    """
    found = Walk() if into is None else into
    patterns = patterns if patterns and (patterns.include or patterns.exclude) else None
    around = _list_around(str(root), inside)
    _visit(around[-1], inside, around[:-1], patterns, found)
    return found


def list_subfolders(root: Path | str, inside: str = "", *, into: Walk | None = None) -> list[str]:
    """Return the sorted names of the folders directly in the folder ``inside`` of ``root``.

    Hidden folders, ``SYSTEM_FOLDERS`` and links back to a folder around them are left out. With ``into``, they and the
    files beside the folders are counted there.
    """
    names, found = [], Walk() if into is None else into
    around = _list_around(str(root), inside)
    for entry in _scan(around[-1], inside, found):
        kind, path = _find_kind(entry), f"{inside}/{entry.name}" if inside else entry.name
        if _skip(entry.name, kind, path, found):
            continue
        if kind == _FOLDER and entry.is_symlink() and _leads_back(entry, around):
            found.faults[path] = _LOOP
        elif kind == _FOLDER:
            names.append(entry.name)
        elif is_image(entry.name):
            found.passed_over.homeless[inside] += 1
        elif kind == _FILE:
            _count_other(entry.name, found)
        elif _is_folder_link(entry, kind):
            found.faults[path] = kind
    return sorted(names)


def _list_around(root: str, inside: str) -> tuple[str, ...]:
    """Return the paths of ``root`` and of every folder from there to ``inside``, the innermost last."""
    around = [root]
    for name in inside.split("/") if inside else ():
        around.append(f"{around[-1]}/{name}")
    return tuple(around)


def _visit(folder: str, inside: str, around: tuple[str, ...], patterns: PathPatterns | None, found: Walk) -> None:
    around = (*around, folder)
    for entry in _scan(folder, inside, found):
        name, kind = entry.name, _find_kind(entry)
        path = f"{inside}/{name}" if inside else name
        if _skip(name, kind, path, found):
            continue
        if kind == _FOLDER:
            if entry.is_symlink() and _leads_back(entry, around):
                found.faults[path] = _LOOP
            else:
                _visit(f"{folder}/{name}", path, around, patterns, found)
        elif is_image(name):
            if patterns is not None and not patterns.keeps(path):
                found.passed_over.unwanted += 1
            elif kind == _FILE:
                found.images.append(path)
            else:
                found.faults[path] = kind
        elif kind == _FILE:
            _count_other(name, found)
        elif _is_folder_link(entry, kind):
            found.faults[path] = kind


def _scan(folder: str, inside: str, found: Walk) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError as error:
        found.faults[inside or folder] = f"folder cannot be read ({error.strerror})"
        return []


def _skip(name: str, kind: str, path: str, found: Walk) -> bool:
    """Return whether an entry is passed over because of its name, after counting it."""
    if name.startswith("."):
        found.passed_over.hidden += 1
        return True
    if name in SYSTEM_FOLDERS and kind == _FOLDER:
        found.passed_over.system += 1
        return True
    if not name.isascii() and _is_not_utf8(name) and (kind == _FOLDER or is_image(name)):
        found.faults[path] = f"{kind} whose name is not UTF-8"
        return True
    return False


def _find_kind(entry: os.DirEntry[str]) -> str:
    """Return "folder", "file", or why the entry is neither."""
    try:
        if entry.is_dir():
            return _FOLDER
        if entry.is_file():
            return _FILE
    except OSError as error:
        return f"link that cannot be followed ({error.strerror})"
    return "dead link" if entry.is_symlink() else "neither a file nor a folder"


def _is_folder_link(entry: os.DirEntry[str], kind: str) -> bool:
    # A dead link without an extension may have led to a folder of images.
    return kind != "neither a file nor a folder" and not find_extension(entry.name)


def _leads_back(entry: os.DirEntry[str], around: tuple[str, ...]) -> bool:
    target = entry.stat()
    return any(os.path.samestat(target, os.stat(folder)) for folder in around)  # noqa: PTH116


def _is_not_utf8(name: str) -> bool:
    # Python reads bytes that are not UTF-8 as single halves of surrogate pairs.
    return any("\ud800" <= char <= "\udfff" for char in name)


def _count_other(name: str, found: Walk) -> None:
    extension = find_extension(name)
    if f".{extension}" in UNREAD_EXTENSIONS:
        found.passed_over.unread[extension] += 1
    else:
        found.passed_over.others[extension] += 1

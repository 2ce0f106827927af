"""The parts of a folder: which of its folders are train, val and test, in the spellings that people use."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from compression.core.errors import InputError
from compression.data.walk_folder import list_subfolders

PARTS = ("train", "val", "test")

_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def find_parts(root: Path, folders: Sequence[str]) -> dict[str, str] | None:
    """Return the folder of each part, such as ``{"train": "Training", "test": "Testing"}``; None for class folders.

    ``folders`` are the names of the folders in ``root``. Raises ``InputError`` for one of train and test without the
    other, and for two folders of one part.
    """
    found: dict[str, list[str]] = {}
    for name in folders:
        if part := _SPELLINGS.get(name.casefold()):
            found.setdefault(part, []).append(name)
    if not {"train", "test"} <= found.keys():
        _refuse_lone_part(root, found)
        return None
    for names in found.values():
        if len(names) > 1:
            raise InputError(f"data.root={root}: holds {' and '.join(names)}; allowed is one folder for each part")
    return {part: found[part][0] for part in PARTS if part in found}


def _refuse_lone_part(root: Path, found: Mapping[str, Sequence[str]]) -> None:
    for part, other in (("train", "test"), ("test", "train"), ("val", "train")):
        for name in found.get(part, ()):
            # A folder `train` that directly holds images is a class of that name (such as the vehicle).
            if list_subfolders(root, name):
                raise InputError(f"data.root={root}: holds {name} but no {other} folder; allowed is both, or neither")

"""The check that a folder has no level too many between the root and its class folders."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from compression.core.errors import InputError
from compression.core.text import shorten


def refuse_extra_level(root: Path, classes: Mapping[str, Sequence[str]]) -> None:
    """Raise ``InputError`` if class folders hold only folders, so that their folders are probably the classes.

    ``classes`` maps the path of a class folder to the paths of its images, both inside ``root``. One inner folder is
    allowed where it does no harm: in some class folders only, or with the same name in all of them.
    """
    inner = {folder: _list_inner(folder, images) for folder, images in classes.items()}
    deep = {folder: names for folder, names in inner.items() if names}
    several = {folder: names for folder, names in deep.items() if len(names) > 1}
    one_name = len({names[0] for names in deep.values()}) == 1
    if not deep or (not several and (len(deep) < len(classes) or (one_name and len(deep) > 1))):
        return
    shown = several or deep
    found = shorten([f"{folder} ({shorten(names, limit=3)})" for folder, names in shown.items()], limit=3)
    first = next(iter(shown))
    same = " with the same names in each" if len(shown) > 1 and len({tuple(one) for one in shown.values()}) == 1 else ""
    raise InputError(
        f"data.root={root}: a level too many? Class folders hold only folders{same}: {found}; set data.root to the "
        f"folder around the classes, such as {root / first}, or move the inner folders up; "
        f"data.allow_nested=true takes {shorten(list(shown), limit=3)} as classes"
    )


def _list_inner(folder: str, images: Sequence[str]) -> list[str]:
    """Return the sorted names of the folders with images in ``folder``; none if it holds images directly."""
    rest = [image[len(folder) + 1 :].partition("/") for image in images]
    return sorted({first for first, _, _ in rest}) if all(slash for _, slash, _ in rest) else []

"""Warnings that accuracy hides: classes that are never recognized, and a model no better than one constant answer."""

from collections.abc import Sequence

from compression.core.errors import printable
from compression.core.text import shorten

# Classes named in a line.
_MOST = 5


def list_class_warnings(
    model: str, *, class_names: Sequence[str], hits: Sequence[int], images: Sequence[int]
) -> list[str]:
    """Return the warnings about one model, one line each; ``model`` names it, e.g. ``the dense model``.

    ``hits`` are the test images of each class that are classified correctly, ``images`` are all of them.
    """
    present = [index for index, count in enumerate(images) if count]
    if len(present) < 2:
        return []
    names = [printable(name) for name in class_names]
    lines = []
    missed = [index for index in present if not hits[index]]
    if missed:
        shown = shorten([f"{names[index]} (0 of {images[index]:,})" for index in missed], limit=_MOST)
        what = "class" if len(missed) == 1 else "classes"
        lines.append(f"{model} has 0 % on {what} {shown}")
    largest, total = max(present, key=lambda index: images[index]), sum(images)
    if sum(hits) <= images[largest]:
        lines.append(
            f"{model} has {100 * sum(hits) / total:.2f} % accuracy, no better than always answering {names[largest]} "
            f"({100 * images[largest] / total:.2f} % of the test images)"
        )
    return lines

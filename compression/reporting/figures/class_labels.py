"""Names of classes in pictures, and the choice of classes when there are too many to draw."""

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from matplotlib import font_manager
from matplotlib.textpath import TextToPath

from compression.reporting.figures.style import cut_middle

MAX_CLASSES = 20

_T = TypeVar("_T")


def label_class(name: str, *, limit: int = 20) -> str:
    """Return the name as one line of at most ``limit`` characters that matplotlib draws as it stands.

    A longer name is cut in the middle, because names of similar classes often begin alike. Characters that the font
    lacks become question marks; a dollar sign does not start a formula.
    """
    name = "".join(char if _has_glyph(char) else "?" for char in " ".join(name.split()))
    return cut_middle(name, limit=limit).replace("$", r"\$")


def fit_label(name: str, *, width: float, size: float, before: str = "", after: str = "") -> str:
    """Return the name between ``before`` and ``after``, cut until all is at most ``width`` points wide.

    ``size`` is that of the font, in points.
    """
    font = font_manager.FontProperties(size=size)
    for limit in range(min(len(name), 60), 2, -1):
        text = f"{before}{label_class(name, limit=limit)}{after}"
        if TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] <= width:
            return text
    return f"{before}{label_class(name, limit=2)}{after}"


def keep_worst(rows: Sequence[_T]) -> Sequence[_T]:
    """Return the first ``MAX_CLASSES`` of rows that are sorted, the worst first."""
    return rows[:MAX_CLASSES]


def describe_choice(num: int) -> str:
    """Return what a title says about the choice of classes: nothing unless ``num`` is above ``MAX_CLASSES``."""
    return f", the {MAX_CLASSES} worst of {num:,} classes" if num > MAX_CLASSES else ""


@cache
def _has_glyph(char: str) -> bool:
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return bool(font.get_char_index(ord(char)))

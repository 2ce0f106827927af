"""The common style of all pictures: colours that colour-blind readers can distinguish too, and little ink."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

BEFORE, AFTER, ACCENT = "#c2c2c2", "#3a7fc1", "#d55e00"
# A grey that is dark enough for text and thin lines on white.
INK = "#5f5f5f"
TITLE, TEXT, SMALL = 11, 9, 7.5
# A white outline keeps a number readable where a line passes behind it.
HALO = [withStroke(linewidth=3, foreground="white")]


def remove_frame(axes: Axes) -> None:
    """Hide the top and right lines around ``axes``."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT)


def shorten(parameter: str, *, limit: int = 28) -> str:
    """Return the name of a layer without ``.weight``, cut at the front to at most ``limit`` characters."""
    # If the model is a single layer, its parameter is just `weight`, which stays.
    name = parameter.removesuffix(".weight")
    return name if len(name) <= limit else f"…{name[1 - limit :]}"


def cut_middle(text: str, *, limit: int = 28) -> str:
    """Return at most ``limit`` characters of ``text``, without its middle: similar names differ at either end."""
    if len(text) <= limit:
        return text
    end = max(limit - 1, 1) // 2
    return f"{text[: max(limit - 1 - end, 1)].rstrip()}…{text[len(text) - end :].lstrip()}"


def percent(fraction: float) -> str:
    """Return e.g. ``89.9 %``, or ``> 99.9 %`` for a fraction below 1 that would be rounded to 100.0 %."""
    text = f"{100 * fraction:.1f} %"
    return "> 99.9 %" if text == "100.0 %" and fraction < 1 else text


def draw_nothing(text: str) -> Figure:
    """Return a picture with only ``text``, which says why there is nothing to draw."""
    figure = Figure(figsize=(6, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=TITLE)
    return figure


def spread_out(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return heights for labels between ``low`` and ``high``: near ``wanted``, in its order, at least ``gap`` apart.

    If the labels do not fit, the gap shrinks to the available space.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    # Without the gaps, heights only have to be non-decreasing. They become the mean of two solutions: one that pushes
    # labels up, and one that pushes them down.
    free = np.asarray(wanted)[order] - steps
    rising = (np.maximum.accumulate(free) + np.minimum.accumulate(free[::-1])[::-1]) / 2
    placed = np.empty(len(wanted))
    placed[order] = np.clip(rising, low, high - steps[-1]) + steps
    return placed.tolist()

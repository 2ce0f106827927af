"""The look that all pictures share: colours told apart by colour-blind readers too, and little ink."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

BEFORE, AFTER, ACCENT = "#c2c2c2", "#3a7fc1", "#d55e00"
TITLE, TEXT, SMALL = 11, 9, 7.5
# Keeps a number readable where a line passes behind it.
HALO = [withStroke(linewidth=3, foreground="white")]


def remove_frame(axes: Axes) -> None:
    """Leave only the left and the bottom line around ``axes``."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=TEXT)


def shorten(parameter: str, *, limit: int = 28) -> str:
    """Return the layer's name without ``.weight``, its end if it is longer than ``limit`` characters."""
    # One layer may itself be the model: its parameter is then plain `weight`.
    name = parameter.removesuffix(".weight")
    return name if len(name) <= limit else f"…{name[1 - limit :]}"


def percent(fraction: float) -> str:
    """Return e.g. ``89.9 %``; 100.0 only where it is all, so that a layer's last weight is not rounded away."""
    text = f"{100 * fraction:.1f} %"
    return "> 99.9 %" if text == "100.0 %" and fraction < 1 else text


def draw_nothing(text: str) -> Figure:
    """Return a picture that says why there is nothing to see."""
    figure = Figure(figsize=(6, 1))
    figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=TITLE)
    return figure


def spread_out(wanted: Sequence[float], *, gap: float, low: float, high: float) -> list[float]:
    """Return heights for labels between ``low`` and ``high``: near ``wanted``, in its order, ``gap`` apart or more.

    Where they do not fit, the gap shrinks to what there is.
    """
    if not wanted:
        return []
    gap = min(gap, (high - low) / max(len(wanted) - 1, 1))
    order = np.argsort(wanted, kind="stable")
    steps = gap * np.arange(len(wanted))
    # With the gaps taken out, heights need only not fall: the mean of pushing all up and of pushing all down.
    free = np.asarray(wanted)[order] - steps
    rising = (np.maximum.accumulate(free) + np.minimum.accumulate(free[::-1])[::-1]) / 2
    placed = np.empty(len(wanted))
    placed[order] = np.clip(rising, low, high - steps[-1]) + steps
    return placed.tolist()

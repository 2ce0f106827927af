"""The common style of Vega charts: colours that read on white and on black, and text in the colour of the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

# Each has a contrast of at least 3 against a white and against a black page, and all differ for colour-blind readers.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#3a7fc1", "#d55e00", "#0a9a73", "#b06598", "#848484"
# From low to high values; the middle is grey, so that both ends read on any page.
RAMP = (ORANGE, GREY, BLUE)
SHAPES = ("circle", "triangle-up", "square", "diamond")
INK = "currentColor"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
# Of numbers on axes: up to 6 digits, without trailing zeros.
NUMBER = ",.6~r"
# The colour of the page behind a text, which keeps it readable where a line passes.
HALO = {"stroke": {"value": "var(--paper)"}, "strokeWidth": {"value": 3}, "strokeJoin": {"value": "round"}}
WIDTH, HEIGHT = 344, 250


def frame(
    *,
    width: float = WIDTH,
    height: float = HEIGHT,
    left: float = 48,
    right: float = 14,
    top: float = 12,
    bottom: float = 44,
    least: float | None = None,
    marks: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the outer part of a Vega specification whose drawing has this ``width`` and ``height`` in pixels.

    The other sizes are the margins of the plot. A live chart grows with the page, but its plot is at least ``least``
    pixels wide.
    """
    return {
        "$schema": "https://vega.github.io/schema/vega/v6.json",
        "width": width - left - right,
        "height": height - top - bottom,
        "autosize": "none",
        "padding": {"left": left, "right": right, "top": top, "bottom": bottom},
        "background": None,
        "config": _CONFIG,
        "usermeta": {"sides": left + right, "least": least or WIDTH - left - right - 30, **(marks or {})},
    }


def make_axis(
    orient: str, scale: str, *, title: str | Sequence[str], grid: bool = False, **more: Any
) -> dict[str, Any]:
    """Return an axis of Vega; a ``title`` may have several lines, and ``more`` are further keys of the axis."""
    return {"orient": orient, "scale": scale, "title": title, "grid": grid, "labelOverlap": "greedy", **more}


def list_log_ticks(low: float, high: float) -> list[float]:
    """Return four to nine round values between ``low`` and ``high``, both above 0, for a logarithmic axis."""
    found: list[float] = []
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _STEPS:
        ticks = (round(step * 10.0**power, 12) for power in powers for step in steps)
        found = [tick for tick in ticks if low <= tick <= high]
        if len(found) >= 4:
            break
    return found[:: -(-len(found) // 9) or 1]


def colour_groups(groups: Sequence[str]) -> list[str]:
    """Return a colour for each group, in their order."""
    colours = (BLUE, ORANGE, GREEN, PURPLE, GREY)
    return [colours[index % len(colours)] for index in range(len(groups))]


def pad_domain(values: Sequence[float], *, share: float = 0.06, log: bool = False) -> list[float]:
    """Return the limits of an axis for ``values``, with a margin of ``share`` of their range on both sides.

    With ``log``, the limits are above 0.
    """
    low, high = min(values), max(values)
    if log:
        # A clock may have measured 0.
        low, high = max(low, 1e-9), max(high, 1e-9)
        factor = max(high / low, 1.2) ** share
        return [low / factor, high * factor]
    margin = max(share * (high - low), 1e-3 * max(abs(high), abs(low)), 1e-9)
    return [low - margin, high + margin]


# Tried one after the other, until an axis has enough ticks.
_STEPS: tuple[Sequence[float], ...] = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 5, 7),
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9),
    [step / 50 for step in range(50, 500)],
)
_CONFIG: dict[str, Any] = {
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": INK,
        "tickColor": INK,
        "gridColor": INK,
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 6,
        "domainOpacity": 0.45,
        "tickOpacity": 0.45,
        "gridOpacity": 0.12,
        "tickSize": 4,
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "symbolSize": 50,
    },
    "text": {"font": FONT, "fontSize": 11, "fill": INK},
}

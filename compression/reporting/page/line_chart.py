"""Chart of numbers over steps or epochs: one line per series, named at its end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compression.reporting.page.chart_style import (
    BLUE,
    INK,
    NUMBER,
    ORANGE,
    WIDTH,
    colour_groups,
    frame,
    make_axis,
    pad_domain,
)
from compression.reporting.page.cost_chart import FADED, SIGNALS

# More lines are neither named nor coloured one by one.
MAX_NAMED = 6
_NAME_HEIGHT = 13


@dataclass(frozen=True)
class Series:
    """A line through points (x, y). A ``dashed`` one is a baseline.

    ``ids`` are the configurations that it belongs to, for a live chart: the line fades when all of them do.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    ids: Sequence[int] = ()


def make_line_spec(
    series: Sequence[Series], *, x: str, y: str, whole_steps: bool = True, width: float | None = None
) -> dict[str, Any]:
    """Return the Vega specification; ``x`` and ``y`` are the titles of the axes.

    With ``whole_steps``, marks of the x axis are integers. ``width`` is that of the drawing in pixels.
    """
    named = len(series) <= MAX_NAMED
    longest = max((len(one.name) for one in series), default=0) if named else 0
    right = min(14 + 6.3 * longest, 150) if named else 14
    spec = frame(right=right, width=width or WIDTH)
    xs, ys = zip(*(point for one in series for point in one.points), strict=True)
    domain = pad_domain(ys)
    spec["signals"] = list(SIGNALS)
    spec["data"] = [
        {
            "name": "points",
            "values": [
                {"line": index, "x": at, "y": value, "dashed": one.dashed, "ids": list(one.ids), "tip": one.name}
                for index, one in enumerate(series)
                for at, value in one.points
            ],
        },
        {"name": "ends", "values": _place_names(series, domain, spec["height"]) if named else []},
    ]
    colours = colour_groups([one.name for one in series]) if named else [BLUE]
    spec["scales"] = [
        {"name": "x", "type": "linear", "domain": [min(xs), max(xs)], "range": "width", "zero": False},
        {"name": "y", "type": "linear", "domain": domain, "range": "height", "zero": False},
        {"name": "colour", "type": "ordinal", "domain": list(range(len(series))), "range": colours},
    ]
    steps = {"format": "d", "tickMinStep": 1} if whole_steps else {"format": NUMBER}
    spec["axes"] = [
        make_axis("left", "y", title=y, grid=True, tickCount=5, format=NUMBER),
        make_axis("bottom", "x", title=x, tickCount=6, **steps),
    ]
    spec["marks"] = _mark(named, num_ids=max((len(one.ids) for one in series), default=0))
    return spec


def _mark(named: bool, *, num_ids: int) -> list[dict[str, Any]]:
    at = {"x": {"scale": "x", "field": "x"}, "y": {"scale": "y", "field": "y"}}
    colour = {"scale": "colour", "field": "line"} if named else {"signal": f"datum.dashed ? '{ORANGE}' : '{BLUE}'"}
    any_shown = "".join(f" || shown[datum.ids[{index}]]" for index in range(num_ids))
    opacity = [
        {"test": f"shown === null || !length(datum.ids){any_shown}", "value": 0.95 if named else 0.5},
        {"value": FADED},
    ]
    line = {
        **at,
        "stroke": colour,
        "strokeOpacity": opacity,
        "strokeDash": {"signal": "datum.dashed ? [5, 3] : [1, 0]"},
        "strokeWidth": [
            {"test": "pointed !== null && indexof(datum.ids, pointed) >= 0", "value": 3},
            {"value": 1.6 if named else 1},
        ],
        "tooltip": {"field": "tip"},
    }
    each = {"facet": {"name": "one", "data": "points", "groupby": "line"}}
    lines = {"type": "line", "from": {"data": "one"}, "encode": {"update": line}}
    name = {"x": {"signal": "width + 6"}, "y": {"field": "at"}, "text": {"field": "name"}, "fill": {"value": INK}}
    return [
        {"type": "group", "from": each, "marks": [lines]},
        {
            "type": "text",
            "from": {"data": "ends"},
            "interactive": False,
            "encode": {"update": {**name, "baseline": {"value": "middle"}, "fill": colour}},
        },
    ]


def _place_names(series: Sequence[Series], domain: Sequence[float], height: float) -> list[dict[str, Any]]:
    """Return the name of each line with its height in pixels, near the end of the line and apart from other names."""
    # Imported late: the module imports matplotlib.
    from compression.reporting.figures.style import shorten, spread_out

    low, high = domain
    wanted = [height * (high - one.points[-1][1]) / (high - low) for one in series]
    places = spread_out(wanted, gap=_NAME_HEIGHT, low=4, high=height - 4)
    return [
        {"line": index, "name": shorten(one.name, limit=22), "at": place, "dashed": one.dashed}
        for index, (one, place) in enumerate(zip(series, places, strict=True))
    ]

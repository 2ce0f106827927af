"""Chart of parallel coordinates: a line per configuration, and a brush on every axis."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compression.reporting.page.chart_style import HALO, INK, ORANGE, RAMP, frame
from compression.reporting.page.cost_chart import FADED, IS_POINTED, IS_SHOWN, SIGNALS

# Pixels between two axes, at least, and the width of the zone around an axis in which a brush can be drawn.
_SPACE, _ZONE, _BEYOND = 92, 44, 10
_RIGHT = 46
# Characters of a line that is as wide as the space between two axes.
_LINE = 15


@dataclass(frozen=True)
class BrushedAxis:
    """A vertical axis: its name, the height in [0, 1] of every configuration, None if missing, and its marks.

    A mark is a height and a text. The name may have several lines.
    """

    name: str
    heights: Sequence[float | None]
    marks: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class BrushedLine:
    """A configuration: its id, its ``colour`` in [0, 1] from low to high, and what is shown when it is pointed at."""

    id: int
    name: str
    colour: float
    facts: Mapping[str, str]
    is_pick: bool = False


def make_brushed_spec(axes: Sequence[BrushedAxis], lines: Sequence[BrushedLine]) -> dict[str, Any]:
    """Return the Vega specification. A brush keeps the lines that pass the axis in its range; brushes combine."""
    brushes = [f"brush{index}" for index in range(len(axes))]
    least = _SPACE * max(len(axes) - 1, 1)
    left = min(24 + 6.2 * max((len(text) for _, text in axes[0].marks), default=0), 150)
    names = [[line for part in axis.name.split("\n") for line in textwrap.wrap(part, _LINE)] for axis in axes]
    top = 16 + 14 * max(map(len, names))
    spec = frame(
        width=least + left + _RIGHT,
        height=286 + top,
        left=left,
        right=_RIGHT,
        top=top,
        bottom=12,
        least=least,
        marks={"brushes": brushes},
    )
    spec["signals"] = [
        *SIGNALS,
        *(signal for index in range(len(axes)) for signal in _make_brush(index)),
        {"name": "brushes", "update": f"[{', '.join(brushes)}]"},
    ]
    keys = [f"c{index}" for index in range(len(axes))]
    spec["data"] = [
        {"name": "rows", "values": _list_rows(axes, lines)},
        {
            "name": "brushed",
            "source": "rows",
            "transform": [{"type": "filter", "expr": " && ".join(map(_is_inside, range(len(axes))))}],
        },
        {"name": "long", "source": "rows", "transform": [{"type": "fold", "fields": keys, "as": ["axis", "height"]}]},
        {
            "name": "axes",
            "values": [{"axis": key, "name": name} for key, name in zip(keys, names, strict=True)],
        },
        {
            "name": "marks",
            "values": [
                {"axis": key, "height": height, "text": text}
                for key, axis in zip(keys, axes, strict=True)
                for height, text in axis.marks
            ],
        },
    ]
    spec["scales"] = [
        {"name": "x", "type": "point", "domain": keys, "range": "width"},
        {"name": "y", "type": "linear", "domain": [0, 1], "range": "height"},
        {"name": "colour", "type": "linear", "domain": [0, 0.5, 1], "range": list(RAMP), "clamp": True},
    ]
    spec["marks"] = [_mark_lines(), *_mark_axes(), *(mark for index in range(len(axes)) for mark in _mark_brush(index))]
    return spec


_HEIGHT_AT_POINTER = "clamp(1 - y() / height, 0, 1)"


def _make_brush(index: int) -> list[dict[str, Any]]:
    """Return two signals: where the brush was begun, and its range, or null. A click without a drag clears it."""
    zone, brush, begun = f"zone{index}", f"brush{index}", f"begun{index}"
    moving = f"[@{zone}:pointerdown, window:pointerup] > window:pointermove!"
    return [
        {
            "name": begun,
            "value": 0,
            "on": [{"events": f"@{zone}:pointerdown", "update": _HEIGHT_AT_POINTER}],
        },
        {
            "name": brush,
            "value": None,
            "on": [
                {"events": f"@{zone}:pointerdown", "update": "null"},
                {
                    "events": moving,
                    "update": f"[min({begun}, {_HEIGHT_AT_POINTER}), max({begun}, {_HEIGHT_AT_POINTER})]",
                },
            ],
        },
    ]


def _is_inside(index: int) -> str:
    value, brush = f"datum.c{index}", f"brush{index}"
    return f"({brush} === null || (isValid({value}) && {value} >= {brush}[0] && {value} <= {brush}[1]))"


def _list_rows(axes: Sequence[BrushedAxis], lines: Sequence[BrushedLine]) -> list[dict[str, Any]]:
    return [
        {
            "id": line.id,
            "colour": round(line.colour, 4),
            "pick": line.is_pick,
            "tip": {"title": line.name, **line.facts},
            **{f"c{index}": _round(axis.heights[number]) for index, axis in enumerate(axes)},
        }
        for number, line in enumerate(lines)
    ]


def _round(height: float | None) -> float | None:
    return None if height is None else round(height, 5)


def _mark_lines() -> dict[str, Any]:
    line = {
        "x": {"scale": "x", "field": "axis"},
        "y": {"scale": "y", "field": "height"},
        "defined": {"signal": "isValid(datum.height)"},
        "stroke": {"scale": "colour", "field": "colour"},
        "strokeWidth": [{"test": IS_POINTED, "value": 4}, {"test": "datum.pick", "value": 3}, {"value": 1.4}],
        "strokeOpacity": [{"test": IS_SHOWN, "value": 0.8}, {"value": FADED}],
        "tooltip": {"field": "tip"},
    }
    # Thin lines are hard to hit, so each has a wide one that cannot be seen.
    wide = {**line, "strokeWidth": {"value": 9}, "strokeOpacity": {"value": 0}}
    each = {"facet": {"name": "one", "data": "long", "groupby": "id"}}
    marks = [
        {"type": "line", "from": {"data": "one"}, "interactive": interactive, "encode": {"update": encoded}}
        for encoded, interactive in ((line, False), (wide, True))
    ]
    return {"type": "group", "from": each, "marks": marks}


def _mark_axes() -> list[dict[str, Any]]:
    x = {"scale": "x", "field": "axis"}
    rule = {"x": x, "y": {"value": 0}, "y2": {"signal": "height"}, "stroke": {"value": INK}}
    name = {"x": x, "y": {"value": -12}, "text": {"field": "name"}, "align": {"value": "center"}}
    name |= {"baseline": {"value": "line-bottom"}, "dy": {"signal": "-14 * (length(datum.name) - 1)"}}
    mark = {"x": x, "dx": {"value": -6}, "y": {"scale": "y", "field": "height"}, "text": {"field": "text"}}
    mark |= {
        "align": {"value": "right"},
        "baseline": {"value": "middle"},
        "limit": {"signal": f"datum.axis === 'c0' ? 150 : {_SPACE - 12}"},
    }
    return [
        {"type": "rule", "from": {"data": "axes"}, "interactive": False, "encode": {"update": rule}},
        {"type": "text", "from": {"data": "axes"}, "interactive": False, "encode": {"update": name}},
        {"type": "text", "from": {"data": "marks"}, "interactive": False, "encode": {"update": mark | HALO}},
        {"type": "text", "from": {"data": "marks"}, "interactive": False, "encode": {"update": mark}},
    ]


def _mark_brush(index: int) -> list[dict[str, Any]]:
    brush, middle = f"brush{index}", f"scale('x', 'c{index}')"
    zone = {
        "x": {"signal": f"{middle} - {_ZONE / 2}"},
        "width": {"value": _ZONE},
        # Beyond both ends, so that a brush that begins at an end includes it.
        "y": {"value": -_BEYOND},
        "height": {"signal": f"height + {2 * _BEYOND}"},
        "fill": {"value": "transparent"},
        "cursor": {"value": "ns-resize"},
    }
    drawn = {
        "x": {"signal": f"{middle} - 7"},
        "width": {"value": 14},
        "y": {"signal": f"{brush} === null ? 0 : height * (1 - {brush}[1])"},
        "y2": {"signal": f"{brush} === null ? 0 : height * (1 - {brush}[0])"},
        "fill": {"value": ORANGE},
        "fillOpacity": {"signal": f"{brush} === null ? 0 : 0.35"},
        "stroke": {"value": ORANGE},
        "strokeOpacity": {"signal": f"{brush} === null ? 0 : 1"},
    }
    return [
        {"type": "rect", "interactive": False, "encode": {"update": drawn}},
        {"type": "rect", "name": f"zone{index}", "encode": {"update": zone}},
    ]

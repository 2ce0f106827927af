"""Chart of accuracy against a cost: every configuration, the front, the dense models and baselines."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.page.chart_style import (
    GREY,
    HALO,
    INK,
    NUMBER,
    ORANGE,
    SHAPES,
    colour_groups,
    frame,
    list_log_ticks,
    make_axis,
    pad_domain,
)

# A live chart fades what is outside the reader's limits, and shows the configuration that is pointed at.
SIGNALS = ({"name": "shown", "value": None}, {"name": "pointed", "value": None})
IS_SHOWN = "shown === null || shown[datum.id]"
IS_POINTED = "pointed !== null && datum.id === pointed"
FADED = 0.1


@dataclass(frozen=True)
class CostPoint:
    """A configuration: its cost ``x``, its accuracy ``y`` in percent with half its 95 % interval, and its group.

    ``facts`` are shown beside its name when the reader points at it. ``notes`` are written beside the point, each on a
    separate line.
    """

    id: int
    x: float
    y: float
    name: str
    group: str
    half_width: float | None = None
    facts: Mapping[str, str] | None = None
    notes: Sequence[str] = ()


def make_cost_spec(
    points: Sequence[CostPoint],
    *,
    front: Sequence[int],
    dense: Sequence[tuple[float, float]],
    cost: str,
    accuracy: str,
    log: bool,
    fewer_is_better: bool = True,
) -> dict[str, Any]:
    """Return the Vega specification. ``front`` are ids, ``dense`` pairs of cost and accuracy in percent.

    ``cost`` and ``accuracy`` are the titles of the axes. With ``log``, costs are drawn on a logarithmic axis. Collapsed
    models get a grey mark at the lower edge, and are not part of the front.
    """
    limit = _find_limit([point.y for point in points], [y for _, y in dense])
    lower = [point for point in points if point.y < limit]
    groups = list(dict.fromkeys(point.group for point in points))
    xs, ys = [point.x for point in points] + [x for x, _ in dense], [point.y for point in points]
    ys += [y for _, y in dense]
    low = min(y for y in ys if y >= limit)
    x_domain = pad_domain(xs, log=log)
    ticks = {"values": list_log_ticks(*x_domain)} if log else {"tickCount": 5}
    kept = sorted((point for point in points if point.id in set(front) and point.y >= limit), key=lambda point: point.x)
    below = (22 if len(groups) > 1 else 0) + (15 if lower else 0)
    spec = frame(right=24, bottom=44 + below, height=268 + below)
    spec["signals"] = list(SIGNALS)
    spec["data"] = [
        {"name": "points", "values": [_describe(point) for point in points if point.y >= limit]},
        {"name": "lower", "values": [_describe(point) for point in lower]},
        {"name": "front", "values": [{"x": point.x, "y": point.y} for point in kept]},
        {"name": "dense", "values": [{"x": x, "y": y} for x, y in dense]},
    ]
    y_domain = pad_domain([low, max(ys)])
    spec["data"].append({"name": "notes", "values": _place_notes(points, x_domain, y_domain, spec["height"], log)})
    spec["scales"] = [
        {
            "name": "x",
            "type": "log" if log else "linear",
            "domain": x_domain,
            "range": "width",
            "zero": False,
        },
        {
            "name": "y",
            "type": "linear",
            "domain": y_domain,
            "range": "height",
            "zero": False,
            "clamp": True,
        },
        {"name": "colour", "type": "ordinal", "domain": groups, "range": colour_groups(groups)},
        {"name": "shape", "type": "ordinal", "domain": groups, "range": list(SHAPES)},
    ]
    titles = [cost]
    if lower:
        titles.append(f"grey: {len(lower):,} below {limit:.0f} %, lowest {min(one.y for one in lower):.1f} %")
    spec["axes"] = [
        make_axis("left", "y", title=accuracy, grid=True, tickCount=5),
        make_axis("bottom", "x", title=titles, format=NUMBER, **ticks),
    ]
    if len(groups) > 1:
        spec["legends"] = [
            {"fill": "colour", "shape": "shape", "orient": "bottom", "direction": "horizontal", "offset": 6}
        ]
    notes, marked = _mark_points(len(points))
    # Points lie over names, because a name can be guessed from a part.
    spec["marks"] = [*_mark_front(fewer_is_better), *notes, *_mark_dense(), *marked]
    if lower:
        spec["marks"].append(_mark_lower())
    return spec


def _find_limit(ys: Sequence[float], dense: Sequence[float]) -> float:
    """Return the lowest accuracy to show. Collapsed models are below it if most points are far above."""
    top = max([*ys, *dense])
    seen = sum(y >= top - COLLAPSED_POINTS for y in ys)
    bottom = min([*ys, *dense])
    return max(bottom, top - COLLAPSED_POINTS) if 2 * seen >= len(ys) else bottom


def _describe(point: CostPoint) -> dict[str, Any]:
    row: dict[str, Any] = {"id": point.id, "x": point.x, "y": point.y, "group": point.group}
    row["tip"] = {"title": point.name, **(point.facts or {})}
    if point.half_width:
        row |= {"low": point.y - point.half_width, "high": point.y + point.half_width}
    return row


def _place_notes(
    points: Sequence[CostPoint], x_domain: Sequence[float], y_domain: Sequence[float], height: float, log: bool
) -> list[dict[str, Any]]:
    """Return the notes with their heights in pixels, below their points and apart from each other."""
    # Imported late: the module imports matplotlib.
    from compression.reporting.figures.style import spread_out

    middle = math.sqrt(math.prod(x_domain)) if log else sum(x_domain) / 2
    low, high = y_domain
    noted = [(point, line, note) for point in points for line, note in enumerate(point.notes, 1)]
    wanted = [height * (high - max(point.y, low)) / (high - low) + 13 * line for point, line, _ in noted]
    places = spread_out(wanted, gap=13, low=6, high=height - 6)
    return [
        {"id": point.id, "x": point.x, "at": at, "note": note, "align": "right" if point.x > middle else "left"}
        for (point, _, note), at in zip(noted, places, strict=True)
    ]


def _mark_dense() -> list[dict[str, Any]]:
    at = {"x": {"scale": "x", "field": "x"}, "y": {"scale": "y", "field": "y"}}
    star = {"size": {"value": 90}, "shape": {"value": "diamond"}, "fill": {"value": INK}}
    left = {"signal": "scale('x', datum.x) > width / 2 ? 'right' : 'left'"}
    beside = {"text": {"value": "dense"}, "align": left, "baseline": {"value": "bottom"}, "dy": {"value": -8}}
    line = {"x": {"value": 0}, "x2": {"signal": "width"}, "y": {"scale": "y", "field": "y"}, "stroke": {"value": INK}}
    dashed = {"strokeDash": {"value": [2, 3]}, "strokeOpacity": {"value": 0.5}}
    return [
        {"type": "rule", "from": {"data": "dense"}, "encode": {"update": {**line, **dashed}}},
        {"type": "symbol", "from": {"data": "dense"}, "encode": {"update": {**at, **star}}},
        {"type": "text", "from": {"data": "dense"}, "encode": {"update": {**at, **beside}}},
    ]


def _mark_lower() -> dict[str, Any]:
    """Return the marks of collapsed models at the lower edge."""
    symbol = {
        "x": {"scale": "x", "field": "x"},
        "y": {"signal": "height - 4"},
        "shape": {"value": "triangle-down"},
        "size": [{"test": IS_POINTED, "value": 150}, {"value": 45}],
        "fill": {"value": GREY},
        "opacity": [{"test": IS_SHOWN, "value": 1}, {"value": FADED}],
        "tooltip": {"field": "tip"},
    }
    return {"type": "symbol", "from": {"data": "lower"}, "encode": {"update": symbol}}


def _mark_front(fewer_is_better: bool) -> list[dict[str, Any]]:
    # A staircase, because between two members of the front the accuracy of the cheaper one is still reached.
    step = "step-after" if fewer_is_better else "step-before"
    at = {"x": {"scale": "x", "field": "x"}, "y": {"scale": "y", "field": "y"}}
    style = {"stroke": {"value": ORANGE}, "strokeWidth": {"value": 1.4}, "interpolate": {"value": step}}
    return [{"type": "line", "from": {"data": "front"}, "encode": {"update": {**at, **style}}}]


def _mark_points(count: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the marks of notes, and those of the points."""
    opacity = [{"test": IS_SHOWN, "value": 0.9 if count <= 60 else 0.65}, {"value": FADED}]
    colour = {"scale": "colour", "field": "group"}
    size = 55 if count <= 60 else 30
    at = {"x": {"scale": "x", "field": "x"}, "y": {"scale": "y", "field": "y"}}
    interval = {
        "x": at["x"],
        "y": {"scale": "y", "field": "low"},
        "y2": {"scale": "y", "field": "high"},
        "stroke": colour,
        "strokeWidth": {"signal": "isValid(datum.low) ? 1 : 0"},
        "opacity": opacity,
    }
    symbol = {
        **at,
        "shape": {"scale": "shape", "field": "group"},
        "fill": colour,
        "opacity": opacity,
        "size": [{"test": IS_POINTED, "value": 150}, {"value": size}],
        "stroke": {"value": INK},
        "strokeWidth": [{"test": IS_POINTED, "value": 2}, {"value": 0}],
        "tooltip": {"field": "tip"},
    }
    note = {
        "x": at["x"],
        "y": {"field": "at"},
        "dx": {"signal": "datum.align === 'right' ? -7 : 7"},
        "align": {"field": "align"},
        "baseline": {"value": "middle"},
        "text": {"field": "note"},
        "opacity": [{"test": IS_SHOWN, "value": 1}, {"value": FADED}],
    }
    texts = [
        {"type": "text", "from": {"data": "notes"}, "interactive": False, "encode": {"update": one}}
        for one in (note | HALO, note)
    ]
    rules = {"type": "rule", "from": {"data": "points"}, "interactive": False, "encode": {"update": interval}}
    return texts, [rules, {"type": "symbol", "from": {"data": "points"}, "encode": {"update": symbol}}]

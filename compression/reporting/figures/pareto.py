"""Picture of accuracy against cost: all configurations, the Pareto front, the dense model and baselines."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, FuncFormatter, NullLocator

from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.figures.style import (
    ACCENT,
    AFTER,
    SMALL,
    TEXT,
    TITLE,
    cut_middle,
    draw_nothing,
    remove_frame,
)

MAX_NUMBERED = 12
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _AXES_WIDTH, _AXES_HEIGHT = 10.2, 5.2, 0.75, 0.6, 5.6, 4.1
# The diameter of the disc behind a number, in inches.
_DISC = 0.19
_KIB, _MIB = 2**10, 2**20
_FINE = (1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9)
# On a logarithmic axis.
_LEAST = 1e-9
_OTHERS = ("#009e73", "#cc79a7", "#e69f00")


@dataclass(frozen=True)
class Point:
    """A configuration with its cost ``x``, a fraction, bytes or milliseconds, and its accuracy ``y`` in percent.

    ``half_width`` is half the 95 % interval of ``y``, in percent. ``group`` is the name of its group in the legend.
    ``note`` is a remark after its name in the key.
    """

    x: float
    y: float
    label: str
    group: str
    half_width: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Axis:
    """The x axis: its ``name`` with the unit, and its ``kind``, which is fraction, bytes or milliseconds.

    The kind determines how values are written, and whether the axis is logarithmic (bytes and milliseconds).
    """

    name: str
    kind: str

    def write(self, value: float) -> str:
        """Return ``value`` as text with its unit."""
        if self.kind == "fraction":
            return f"{100 * value:.1f} %"
        if self.kind == "milliseconds":
            return f"{value:.3g} ms"
        return f"{value / _MIB:.2f} MiB" if value >= _MIB else f"{value / _KIB:.1f} KiB"


def draw_pareto(
    points: Sequence[Point],
    *,
    front: Sequence[int],
    dense: Sequence[tuple[float, float]],
    axis: Axis,
    accuracy: str,
    title: str,
) -> Figure:
    """Return a picture of ``points`` with a line through the points of ``front`` (indices, in order of cost).

    ``dense`` holds (x, accuracy in percent) of the uncompressed models. ``accuracy`` is the label of the y axis. Points
    with a note and points of the front get numbers, unless these would cover each other. The key on the right names
    the numbered points.
    """
    if not points:
        return draw_nothing(f"No finished job to draw against {axis.name}")
    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    axes = figure.add_axes(
        (_LEFT / _WIDTH, _BOTTOM / _HEIGHT, _AXES_WIDTH / _WIDTH, _AXES_HEIGHT / _HEIGHT),
    )
    remove_frame(axes)
    axes.grid(color="#ececec", linewidth=0.8)
    axes.set_axisbelow(True)
    colours = _choose_colours(points)
    bottom = _set_limits(axes, points, dense, axis)
    _draw_front(axes, [points[index] for index in front], bottom, descending=axis.kind == "fraction")
    _draw_points(axes, points, colours, bottom)
    for index, (x, y) in enumerate(dense):
        style: dict[str, Any] = {"color": "black", "marker": "*", "markersize": 11, "linestyle": "none"}
        shown = max(y, axes.get_ylim()[0])
        axes.plot([x], [shown], zorder=6, label="dense, uncompressed" if not index else None, **style)
    if len(dense) == 1:
        axes.axhline(dense[0][1], color="black", linewidth=0.8, linestyle="--", zorder=1)
    _draw_key(figure, axes, points, front, axis, colours, bottom)
    axes.set_xlabel(axis.name, fontsize=TEXT)
    axes.set_ylabel(accuracy, fontsize=TEXT)
    figure.text(_LEFT / _WIDTH, 1 - 0.12 / _HEIGHT, title, fontsize=TITLE, va="top")
    return figure


def _choose_colours(points: Sequence[Point]) -> dict[str, str]:
    groups = list(dict.fromkeys(point.group for point in points))
    return {group: AFTER if not index else _OTHERS[(index - 1) % 3] for index, group in enumerate(groups)}


def _set_limits(axes: Axes, points: Sequence[Point], dense: Sequence[tuple[float, float]], axis: Axis) -> float:
    """Set the limits and return the accuracy below which points are only marked at the edge; -inf if all are shown."""
    ys = [point.y for point in points] + [y for _, y in dense]
    bottom, top = min(ys), max(ys)
    seen = sum(point.y >= top - COLLAPSED_POINTS for point in points)
    # Collapsed models would compress the others into a line, so they are only marked at the lower edge.
    cut = bottom < top - COLLAPSED_POINTS and 2 * seen >= len(points)
    limit = top - COLLAPSED_POINTS if cut else -math.inf
    bottom = min(y for y in ys if y >= limit)
    margin = max(0.06 * (top - bottom), 0.05)
    axes.set_ylim(bottom - margin, top + margin)
    xs = [point.x for point in points] + [x for x, _ in dense]
    low, high = min(xs), max(xs)
    if axis.kind == "fraction":
        margin = max(0.06 * (high - low), 0.005)
        axes.set_xlim(low - margin, high + margin)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}"))
    else:
        # A clock may have measured 0.
        low, high = max(low, _LEAST), max(high, _LEAST)
        low, high = (low / 1.15, high * 1.15) if high < 1.5 * low else (low / 1.25, high * 1.35)
        axes.set_xscale("log")
        axes.set_xlim(low, high)
        _set_ticks(axes, low, high, axis)
    return limit


def _set_ticks(axes: Axes, low: float, high: float, axis: Axis) -> None:
    """Set about four to nine ticks at round values, each with its unit."""
    units = {"KiB": _KIB, "MiB": _MIB} if axis.kind == "bytes" else {"": 1}
    ticks: dict[float, str] = {}
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), _FINE, [step / 50 for step in range(50, 500)]):
        ticks = {}
        for power, step in itertools.product(range(-6, 9), steps):
            for unit, size in units.items():
                number = step * 10.0**power
                if low <= number * size <= high and (unit != "KiB" or number < 1000) and (unit != "MiB" or number >= 1):
                    ticks[number * size] = f"{round(number, 9):,.6g} {unit}".strip()
        if len(ticks) >= 4:
            break
    kept = sorted(ticks)[:: -(-len(ticks) // 9) or 1]
    axes.xaxis.set_major_locator(FixedLocator(kept))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FixedFormatter([ticks[tick] for tick in kept]))


def _draw_front(axes: Axes, members: Sequence[Point], bottom: float, *, descending: bool) -> None:
    # The front is a staircase, because between two of its members the accuracy of the cheaper one is still reached.
    where = "pre" if descending else "post"
    ordered = sorted((point for point in members if point.y >= bottom), key=lambda point: point.x)
    if len(ordered) > 1:
        axes.step(
            [point.x for point in ordered],
            [point.y for point in ordered],
            where=where,  # type: ignore[arg-type]
            color=ACCENT,
            linewidth=1.4,
            zorder=2,
            label="front: no point of this colour is better in both",
        )


def _draw_points(axes: Axes, points: Sequence[Point], colours: Mapping[str, str], bottom: float) -> None:
    many = len(points) > 60
    markers = dict(zip(colours, ["o", "^", "s", "D"] * len(colours), strict=False))
    for group, colour in colours.items():
        seen = [point for point in points if point.group == group and point.y >= bottom]
        size = 3.5 if many else 6
        style: dict[str, Any] = {"linestyle": "none", "color": colour, "alpha": 0.55 if many else 0.9}
        xs, ys = [point.x for point in seen], [point.y for point in seen]
        axes.plot(xs, ys, marker=markers[group], markersize=size, zorder=3, label=group, **style)
        widths = [(point, point.half_width) for point in seen if point.half_width]
        if widths and len(points) <= 60:
            axes.errorbar(
                [point.x for point, _ in widths],
                [point.y for point, _ in widths],
                yerr=[width for _, width in widths],
                fmt="none",
                ecolor=colour,
                elinewidth=1,
                capsize=2,
                zorder=2,
            )
    if any(point.half_width for point in points) and not many:
        axes.plot([], [], color="#606060", linewidth=1, marker="_", label="bar: 95 % interval of the mean over seeds")
    lower = [point for point in points if point.y < bottom]
    if lower:
        low, high = axes.get_ylim()
        label = f"{len(lower):,} below {bottom:.0f} % (lowest {min(point.y for point in lower):.1f} %)"
        xs = [point.x for point in lower]
        edge = [low + 0.012 * (high - low)] * len(lower)
        axes.plot(xs, edge, "v", color="#808080", markersize=5, zorder=3, label=label, clip_on=False)


def _draw_key(
    figure: Figure,
    axes: Axes,
    points: Sequence[Point],
    front: Sequence[int],
    axis: Axis,
    colours: Mapping[str, str],
    bottom: float,
) -> None:
    wanted = [index for index, point in enumerate(points) if point.note]
    wanted += [index for index in _spaced(front) if index not in wanted and points[index].y >= bottom]
    numbered: dict[int, int] = {}
    lines: list[tuple[str, Point]] = []
    places = {index: _place(axes, points[index]) for index in wanted}
    kept: list[int] = []
    beside: dict[int, int] = {}
    for index in wanted:
        near = [other for other in kept if math.dist(places[index], places[other]) < 1.05 * _DISC]
        if not near and len(kept) < MAX_NUMBERED:
            kept.append(index)
        elif near and points[index].note:
            beside[index] = near[0]
    # Points are numbered from left to right.
    for number, index in enumerate(sorted(kept, key=lambda index: places[index]), 1):
        numbered[index] = number
        x, y = (part / size for part, size in zip(places[index], (_AXES_WIDTH, _AXES_HEIGHT), strict=True))
        style: dict[str, Any] = {"transform": axes.transAxes, "ha": "center", "va": "center", "zorder": 8}
        disc = {"boxstyle": "circle,pad=0.18", "facecolor": colours[points[index].group]}
        disc["edgecolor"] = ACCENT if index in front else "white"
        axes.text(x, y, f"{number}", fontsize=6.5, color="white", bbox=disc, clip_on=False, **style)
        lines.append((f"{number}", points[index]))
    lines += [(f"by {numbered[other]}", points[index]) for index, other in beside.items()]
    left, top = (_LEFT + _AXES_WIDTH + 0.3) / _WIDTH, (_BOTTOM + _AXES_HEIGHT) / _HEIGHT
    for row, (mark, point) in enumerate(lines):
        y = top - row * 0.165 / _HEIGHT
        error = f" ± {point.half_width:.2f}" if point.half_width else ""
        text = f"{cut_middle(point.label)}: {point.y:.2f}{error} %, {axis.write(point.x)}"
        figure.text(left, y, mark, fontsize=SMALL, va="top", ha="left", color=ACCENT)
        figure.text(left + 0.27 / _WIDTH, y, text, fontsize=SMALL, va="top")
        if point.note:
            figure.texts[-1].set_text(f"{text}  {point.note}")
            figure.texts[-1].set_fontweight("bold")
    handles, labels = axes.get_legend_handles_labels()
    anchor = ((_LEFT + _AXES_WIDTH + 0.2) / _WIDTH, _BOTTOM / _HEIGHT)
    figure.legend(handles, labels, loc="lower left", bbox_to_anchor=anchor, fontsize=SMALL, frameon=False)


def _place(axes: Axes, point: Point) -> tuple[float, float]:
    """Return the position of a point within the axes, in inches."""
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    scale = math.log if axes.get_xscale() == "log" else float
    x = (scale(max(point.x, left)) - scale(left)) / (scale(right) - scale(left))
    return x * _AXES_WIDTH, (max(point.y, low) - low) / (high - low) * _AXES_HEIGHT


def _spaced(front: Sequence[int]) -> list[int]:
    """Return the members of the front, ordered so that any first few are spread out: both ends, then middles."""
    if len(front) < 2:
        return list(front)
    order, spans = [front[0], front[-1]], [(0, len(front) - 1)]
    while spans:
        low, high = spans.pop(0)
        if high - low > 1:
            middle = (low + high) // 2
            order.append(front[middle])
            spans += [(low, middle), (middle, high)]
    return order

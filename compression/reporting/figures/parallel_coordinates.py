"""Picture of all configurations in parallel coordinates: one line through the settings and results of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from compression.reporting.figures.style import HALO, SMALL, TEXT, TITLE, cut_middle, draw_nothing, spread_out

MAX_TICKS = 12
# The label of a setting that a configuration did not set.
DEFAULT = "default"
_SCALE = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.92, 256)))
_OUTLINE = "black"


@dataclass(frozen=True)
class Coordinate:
    """One vertical axis, with one value per configuration, or None for a missing value.

    ``log`` makes the axis logarithmic, for bytes and times. Labels show values divided by ``unit_scale``. Values below
    ``floor`` are drawn at ``floor``. ``asked`` marks a setting: it has few values, which are drawn at equal distances,
    and None means the default.
    """

    name: str
    values: Sequence[Any]
    log: bool = False
    unit_scale: float = 1.0
    asked: bool = False
    floor: float | None = None


def draw_parallel_coordinates(
    coordinates: Sequence[Coordinate],
    *,
    colour_by: Sequence[float],
    colour_name: str,
    colour_floor: float | None = None,
    highlighted: Sequence[tuple[int, str]] = (),
    title: str,
) -> Figure:
    """Return a picture with one line per configuration over all ``coordinates``, coloured by ``colour_by``.

    ``highlighted``: (index, name) of configurations that are drawn thick, with their name at the end. A line is
    interrupted where a value is missing. Values below ``colour_floor`` have the colour of the lowest value shown.
    """
    if not coordinates or not colour_by:
        return draw_nothing("No finished job to draw")
    num = len(colour_by)
    figure = Figure(figsize=(max(7.5, 1.45 * len(coordinates) + 3.0), 5.0), layout="constrained")
    axes = figure.add_subplot()
    columns, ticks = zip(*(place_values(coordinate) for coordinate in coordinates), strict=True)
    heights = np.stack(columns, axis=1)
    lines = [np.column_stack([np.arange(len(coordinates)), row]) for row in heights]
    # Drawn from the lowest to the highest value, so that the best lines are on top.
    order = np.argsort(colour_by, kind="stable")
    lowest = min(colour_by) if colour_floor is None else max(min(colour_by), colour_floor)
    norm = Normalize(lowest, max(max(colour_by), lowest + 1e-6))
    width, alpha = (1.6, 0.9) if num <= 30 else (0.9, 0.6) if num <= 250 else (0.6, 0.4)
    axes.add_collection(
        LineCollection(
            [lines[index] for index in order],
            colors=[_SCALE(norm(colour_by[index])) for index in order],
            linewidths=width,
            alpha=alpha,
            zorder=2,
        )
    )
    _draw_axes(axes, coordinates, ticks)
    _highlight(axes, lines, highlighted, [_SCALE(norm(value)) for value in colour_by])
    extend = "neither" if colour_floor is None else "min"
    mappable = ScalarMappable(norm=norm, cmap=_SCALE)
    bar = figure.colorbar(mappable, ax=axes, location="bottom", aspect=60, shrink=0.6, extend=extend)
    bar.set_label(colour_name, fontsize=SMALL)
    bar.ax.tick_params(labelsize=SMALL, length=2)
    bar.outline.set_visible(False)
    axes.set_title(title, fontsize=TITLE, loc="left", pad=38)
    return figure


def place_values(coordinate: Coordinate) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Return the height in [0, 1] of every value, NaN for a missing one, and the (height, text) marks of the axis."""
    known = [value for value in coordinate.values if value is not None]
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known)
    if coordinate.asked or not numeric:
        # At equal distances, close values such as 0.9 and 0.95 do not overlap.
        distinct = sorted(set(known)) if numeric else sorted({str(value) for value in known})
        if len(distinct) <= MAX_TICKS or not numeric:
            texts = [f"{value:g}" if numeric else cut_middle(value, limit=20) for value in distinct]
            if coordinate.asked and len(known) < len(coordinate.values):
                distinct, texts = [None, *distinct], [DEFAULT, *texts]
            at = {value: _share(index, len(distinct)) for index, value in enumerate(distinct)}
            marks = list(zip(at.values(), texts, strict=True))[:: -(-len(distinct) // MAX_TICKS) or 1]
            keys = coordinate.values if numeric else [None if v is None else str(v) for v in coordinate.values]
            return np.array([at.get(key, np.nan) for key in keys], float), marks
    values = np.array([np.nan if value is None else value for value in coordinate.values], float)
    floor = -np.inf if coordinate.floor is None else coordinate.floor
    cut = bool(np.any(values < floor))
    values = np.maximum(values, floor)
    finite = values[np.isfinite(values)]
    if not finite.size:
        return values, []
    low, high = float(finite.min()), float(finite.max())
    scaled, stops = values, np.linspace(low, high, 5)
    if coordinate.log and low > 0:
        scaled, stops = np.log(values), np.geomspace(low, high, 5)
        low, high = float(np.log(low)), float(np.log(high))
    if high - low < 1e-12:
        return np.where(np.isfinite(values), 0.5, np.nan), [(0.5, _write(stops[0] / coordinate.unit_scale))]
    places = np.linspace(0, 1, 5)
    written = [_write(stop / coordinate.unit_scale) for stop in stops]
    if cut:
        written[0] = f"≤ {written[0]}"
    return (scaled - low) / (high - low), list(zip(places.tolist(), written, strict=True))


def _draw_axes(axes: Axes, coordinates: Sequence[Coordinate], ticks: Sequence[Sequence[tuple[float, str]]]) -> None:
    axes.set(xlim=(-0.25, len(coordinates) - 0.2), ylim=(-0.04, 1.04))
    axes.set_axis_off()
    for index, (coordinate, marks) in enumerate(zip(coordinates, ticks, strict=True)):
        axes.plot([index, index], [0, 1], color="#606060", linewidth=1, zorder=3)
        axes.annotate(
            coordinate.name,
            (index, 1.0),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=TEXT,
            linespacing=1.1,
        )
        for at, text in marks:
            axes.annotate(
                text,
                (index, at),
                xytext=(-4, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=SMALL,
                path_effects=HALO,
                zorder=5,
            )


def _highlight(
    axes: Axes, lines: Sequence[np.ndarray], highlighted: Sequence[tuple[int, str]], colours: Sequence[Any]
) -> None:
    ends = [line[np.isfinite(line[:, 1])][-1] for line in (lines[index] for index, _ in highlighted)]
    heights = spread_out([float(y) for _, y in ends], gap=0.055, low=0.0, high=1.0)
    for (index, name), end, height in zip(highlighted, ends, heights, strict=True):
        x, y = lines[index].T
        axes.plot(x, y, color=_OUTLINE, linewidth=4.2, zorder=3.5, solid_capstyle="round")
        axes.plot(x, y, color=colours[index], linewidth=2.6, zorder=3.6, solid_capstyle="round")
        axes.annotate(
            name,
            end,
            xytext=(len(lines[0]) - 1 + 0.12, height),
            fontsize=SMALL,
            va="center",
            zorder=6,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": _OUTLINE},
        )


def _share(index: int, count: int) -> float:
    return 0.5 if count == 1 else index / (count - 1)


def _write(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}" if abs(value) >= 100 else f"{value:.3g}"

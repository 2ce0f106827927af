"""Pictures of accuracy when a single layer is pruned: as lines, and as a coloured table."""

from collections.abc import Collection, Mapping

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from compression.reporting.figures.style import SMALL, TEXT, TITLE, draw_nothing, remove_frame, shorten, spread_out

# Above this number of lines, only the most sensitive layers are named, and a colour bar shows the depth of layers.
MAX_NAMED = 12
NUM_MOST_SENSITIVE = 3
# Above this number of columns, the cells have no room for numbers.
MAX_NUMBERED = 14
# From dark blue to a yellow-green that is still visible on white. Lightness grows evenly, so the order shows without
# colour too.
_DEPTH = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.88, 256)))


def draw_sensitivity_lines(accuracy: Mapping[str, Mapping[float, float]], *, baseline: float) -> Figure:
    """Return a picture with one line per layer: the accuracy of the model with only that layer pruned.

    ``accuracy[name][sparsity]`` and ``baseline``, the accuracy of the dense model (dashed), are fractions.
    """
    accuracy = {name: points for name, points in accuracy.items() if points}
    if not accuracy:
        return draw_nothing("No layer was pruned alone")
    few = len(accuracy) <= MAX_NAMED
    named = set(accuracy if few else most_sensitive(accuracy, num=NUM_MOST_SENSITIVE))
    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.add_subplot()
    remove_frame(axes)
    axes.axhline(100 * baseline, color="black", linewidth=1, linestyle="--", zorder=1)
    for (name, points), depth in zip(accuracy.items(), np.linspace(0, 1, len(accuracy)), strict=True):
        x = sorted(points)
        axes.plot(
            [100 * at for at in x],
            [100 * points[at] for at in x],
            color=_DEPTH(depth),
            linewidth=1.8 if name in named else 0.8,
            marker="o" if name in named or len(x) == 1 else None,
            markersize=4,
            zorder=3 if name in named else 2,
            label=name,
        )
    _name_lines(axes, named)
    title = f"Accuracy when one layer alone is pruned; dashed: dense, {100 * baseline:.1f} %"
    axes.set_title(title, fontsize=TITLE, loc="left")
    axes.set_xlabel("sparsity of that layer, %", fontsize=TEXT)
    axes.set_ylabel("validation accuracy, %", fontsize=TEXT)
    if not few:
        bar = figure.colorbar(ScalarMappable(cmap=_DEPTH), ax=axes, location="bottom", aspect=60, shrink=0.7, pad=0.03)
        bar.set_ticks([0, 1], labels=["first layer", "last layer"])
        bar.ax.tick_params(labelsize=SMALL, length=0)
        bar.outline.set_visible(False)
    return figure


def draw_sensitivity_heatmap(accuracy: Mapping[str, Mapping[float, float]], *, baseline: float) -> Figure:
    """Return a picture of a table of layers (rows, first on top) by sparsities: points of accuracy lost.

    ``accuracy[name][sparsity]`` and ``baseline`` are fractions, as in ``draw_sensitivity_lines``. Cells that were not
    measured are grey.
    """
    sparsities = sorted({sparsity for points in accuracy.values() for sparsity in points})
    if not sparsities:
        return draw_nothing("No layer was pruned alone")
    drops = np.array(
        [
            [100 * (baseline - points[sparsity]) if sparsity in points else np.nan for sparsity in sparsities]
            for points in accuracy.values()
        ]
    )
    figure = Figure(figsize=(max(6.0, 3.2 + 0.48 * len(sparsities)), 1.5 + 0.22 * len(drops)), layout="constrained")
    axes = figure.add_subplot()
    # A gain is as pale as no change. The scale covers at least one point, so small losses stay pale too.
    darkest = max(float(np.nanmax(drops)), 1.0)
    image = axes.imshow(drops, cmap="Blues", vmin=0, vmax=darkest, aspect="auto", interpolation="nearest")
    if len(sparsities) <= MAX_NUMBERED:
        for (row, column), drop in np.ndenumerate(drops):
            if np.isfinite(drop):
                colour = "white" if drop > 0.55 * darkest else "black"
                # Adding 0.0 turns -0.0 into 0.0.
                text = f"{round(drop, 1) + 0.0:.1f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)
    axes.set_facecolor("#d9d9d9")
    title = f"Points of accuracy lost when one layer alone is pruned (dense: {100 * baseline:.1f} %)"
    axes.set_title(title, fontsize=TITLE)
    axes.set_yticks(range(len(drops)), [shorten(name) for name in accuracy])
    axes.set_xticks(range(len(sparsities)), [f"{100 * sparsity:.4g}" for sparsity in sparsities])
    axes.tick_params(labelsize=TEXT, length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("sparsity of that layer, %", fontsize=TEXT)
    bar = figure.colorbar(image, ax=axes, aspect=max(10, len(drops)), pad=0.02)
    bar.set_label("points lost", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)
    return figure


def most_sensitive(accuracy: Mapping[str, Mapping[float, float]], *, num: int) -> list[str]:
    """Return the ``num`` layers with the lowest mean accuracy over the sparsities, the worst first."""
    return sorted(accuracy, key=lambda name: float(np.mean(list(accuracy[name].values()))))[:num]


def _name_lines(axes: Axes, named: Collection[str]) -> None:
    lines = [line for line in axes.lines if line.get_label() in named]
    ends = [(float(line.get_xdata()[-1]), float(line.get_ydata()[-1])) for line in lines]  # type: ignore[index,arg-type]
    low, high = axes.get_ylim()
    # The limits are fixed now, so that labels do not widen the axes.
    axes.set_ylim(low, high)
    heights = spread_out([y for _, y in ends], gap=0.048 * (high - low), low=low, high=high)
    for line, end, height in zip(lines, ends, heights, strict=True):
        axes.annotate(
            shorten(str(line.get_label())),
            end,
            xytext=(1.03, height),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL,
            arrowprops={"arrowstyle": "-", "color": line.get_color(), "linewidth": 0.8, "relpos": (0, 0.5)},
        )

"""Picture of the sparsity of each layer, as bars from the first layer at the top to the last."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from compression.reporting.figures.style import (
    AFTER,
    HALO,
    SMALL,
    TEXT,
    TITLE,
    draw_nothing,
    percent,
    remove_frame,
    shorten,
)

# About the width of a number, in percent of the axis. A number that the dashed line would cross is put right of it.
_NUMBER = 7.5


def draw_layer_sparsity(sparsity: Mapping[str, float], *, target: float | None = None) -> Figure:
    """Return a picture with one bar per layer: its fraction of zeros, in the order of the model.

    ``target`` is the fraction of zeros in the complete model, drawn as a dashed line.
    """
    if not sparsity:
        return draw_nothing("No layer with weights to draw")
    values = [100 * fraction for fraction in sparsity.values()]
    figure = Figure(figsize=(7.5, 1.1 + 0.21 * len(values)), layout="constrained")
    axes = figure.add_subplot()
    remove_frame(axes)
    axes.barh(range(len(values)), values, height=0.75, color=AFTER)
    for row, fraction in enumerate(sparsity.values()):
        start = 100 * fraction
        if target is not None and 0 <= 100 * target - start < _NUMBER:
            start = 100 * target
        axes.text(start + 0.8, row, percent(fraction), va="center", fontsize=SMALL, path_effects=HALO, zorder=4)
    title = "Zeros among the weights of each layer"
    if target is not None:
        axes.axvline(100 * target, color="black", linewidth=1.2, linestyle="--", zorder=3)
        title += f"; dashed: whole model, {percent(target)}"
    axes.set_title(title, fontsize=TITLE, loc="left")
    axes.set_yticks(range(len(values)), [shorten(name) for name in sparsity])
    axes.tick_params(axis="y", length=0)
    # Leaves room for a number at the end of a full bar.
    axes.set(xlim=(0, 109), ylim=(len(values) - 0.4, -0.6))
    axes.set_xticks(range(0, 101, 20))
    axes.set_xlabel("zeros, %", fontsize=TEXT)
    return figure

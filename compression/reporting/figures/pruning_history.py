"""Picture of validation accuracy, file size and latency at every pruning step."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.core.text import write_amount
from compression.reporting.figures.style import ACCENT, AFTER, HALO, SMALL, TEXT, TITLE, draw_nothing, remove_frame

_KIB, _MIB = 2**10, 2**20


def draw_pruning_history(rows: Sequence[Mapping[str, Any]], *, latency_label: str = "") -> Figure:
    """Return a picture with panels of accuracy, bytes and, if measured, latency against the sparsity of the weights.

    A row is a step with ``step``, ``sparsity`` (fraction), ``accuracy_before`` and ``accuracy_after`` recovery
    (fractions or None), ``bytes`` and ``latency_ms`` (or None). The first row is the network before pruning.
    ``latency_label`` names engine and batch size. If sparsity does not grow with every step, the x axis shows the step
    numbers.
    """
    if not rows:
        return draw_nothing("No pruning step to draw")
    x, label = _x_axis(rows)
    timed = any(row["latency_ms"] is not None for row in rows)
    figure = Figure(figsize=(3.9 * (2 + timed), 3.6), layout="constrained")
    panels = figure.subplots(1, 2 + timed, squeeze=False)[0]
    _draw_accuracy(panels[0], x, rows)
    unit, size = ("MiB", _MIB) if max(row["bytes"] or 0 for row in rows) >= _MIB else ("KiB", _KIB)
    _draw_amount(panels[1], x, [None if row["bytes"] is None else row["bytes"] / size for row in rows])
    panels[1].set_title(f"File size, {unit}", fontsize=TITLE, loc="left")
    if timed:
        _draw_amount(panels[2], x, [row["latency_ms"] for row in rows])
        name = f" ({latency_label})" if latency_label else ""
        panels[2].set_title(f"Latency, ms{name}", fontsize=TITLE, loc="left")
    for axes in panels:
        remove_frame(axes)
        axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
        axes.set_axisbelow(True)
        # Leaves room for a number to the right of the last point.
        axes.margins(x=0.12)
        if len(rows) == 1:
            axes.set_xticks(x)
        else:
            axes.locator_params(axis="x", integer=label.startswith("pruning step"), nbins=6)
    figure.supxlabel(label, fontsize=TEXT)
    return figure


def _x_axis(rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], str]:
    sparsity = [100 * row["sparsity"] for row in rows]
    if all(later > earlier for earlier, later in pairwise(sparsity)):
        return sparsity, "weight sparsity, %"
    ends = f"{sparsity[0]:.1f} % to {sparsity[-1]:.1f} %" if sparsity[0] != sparsity[-1] else f"{sparsity[0]:.1f} %"
    return [row["step"] for row in rows], f"pruning step (weight sparsity {ends})"


def _draw_accuracy(axes: Axes, x: list[float], rows: Sequence[Mapping[str, Any]]) -> None:
    axes.set_title("Validation accuracy, %", fontsize=TITLE, loc="left")
    after = [(at, 100 * row["accuracy_after"]) for at, row in zip(x, rows, strict=True) if _known(row, "after")]
    before = [(at, 100 * row["accuracy_before"]) for at, row in zip(x, rows, strict=True) if _known(row, "before")]
    if _known(rows[0], "after"):
        axes.axhline(after[0][1], color="black", linewidth=1, linestyle="--", label="unpruned")
    if after:
        # If only the network before pruning has an accuracy, there was no recovery to name in the legend.
        label = "after recovery" if any(_known(row, "after") for row in rows[1:]) else None
        axes.plot(*zip(*after, strict=True), color=AFTER, marker="o", markersize=5, label=label)
    if before:
        hollow: dict[str, Any] = {"markerfacecolor": "white", "markeredgecolor": ACCENT, "markeredgewidth": 1.5}
        axes.plot(*zip(*before, strict=True), linestyle="none", marker="o", label="before recovery", **hollow)
    if after or before:
        axes.legend(fontsize=SMALL, frameon=False)


def _known(row: Mapping[str, Any], when: str) -> bool:
    return row[f"accuracy_{when}"] is not None


def _draw_amount(axes: Axes, x: list[float], values: Sequence[float | None]) -> None:
    points = [(at, value) for at, value in zip(x, values, strict=True) if value is not None]
    axes.plot(*zip(*points, strict=True), color=AFTER, marker="o", markersize=5)
    # The axis starts at zero, so that half the height is half the amount.
    axes.set_ylim(0, 1.15 * max(value for _, value in points) or 1)
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": SMALL, "path_effects": HALO}
    axes.annotate(write_amount(points[0][1]), points[0], xytext=(0, 8), ha="center", **style)
    if len(points) > 1:
        axes.annotate(write_amount(points[-1][1]), points[-1], xytext=(7, 0), va="center", **style)

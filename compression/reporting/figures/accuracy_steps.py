"""Picture of accuracy over pruning steps, from the dense model on, one line per job."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from compression.reporting.figures.style import (
    ACCENT,
    SMALL,
    TEXT,
    TITLE,
    cut_middle,
    draw_nothing,
    remove_frame,
    spread_out,
)

MAX_NAMED = 12
_SPARSITY = ListedColormap(colormaps["viridis"](np.linspace(0.0, 0.9, 256)))


@dataclass(frozen=True)
class Course:
    """The pruning steps of one job, with sparsity and validation accuracy after recovery at each step, as fractions.

    The dense model is step 0. Lines of a ``baseline`` are dashed.
    """

    label: str
    steps: Sequence[int]
    sparsity: Sequence[float]
    accuracy: Sequence[float]
    baseline: bool = False


def draw_accuracy_steps(courses: Sequence[Course], *, title: str) -> Figure:
    """Return a picture of accuracy over pruning steps; the final sparsity gives each line its colour.

    Lines are named at their ends if there are at most ``MAX_NAMED``.
    """
    if not courses:
        return draw_nothing("No job recorded its accuracy at pruning steps")
    named = len(courses) <= MAX_NAMED
    figure = Figure(figsize=(8.8, 4.8), layout="constrained")
    axes = figure.add_subplot()
    remove_frame(axes)
    axes.grid(axis="y", color="#ececec", linewidth=0.8)
    axes.set_axisbelow(True)
    ends = [course.sparsity[-1] for course in courses]
    norm = Normalize(100 * min(ends), max(100 * max(ends), 100 * min(ends) + 1e-6))
    for course in sorted(courses, key=lambda one: one.sparsity[-1]):
        axes.plot(
            course.steps,
            [100 * value for value in course.accuracy],
            color=ACCENT if course.baseline else _SPARSITY(norm(100 * course.sparsity[-1])),
            linestyle="--" if course.baseline else "-",
            linewidth=1.6 if named else 0.8,
            alpha=1.0 if named else 0.6,
            marker="o" if named and len(course.steps) <= 40 else None,
            markersize=3.5,
        )
    last = max(course.steps[-1] for course in courses)
    axes.set_xlim(-0.02 * last, 1.01 * last)
    if named:
        _name_ends(axes, courses, norm)
    axes.set_title(title, fontsize=TITLE, loc="left")
    axes.set_xlabel("pruning step (0: the dense model)", fontsize=TEXT)
    axes.set_ylabel("validation accuracy after recovery, %", fontsize=TEXT)
    axes.locator_params(axis="x", integer=True, nbins=10)
    if any(course.baseline for course in courses):
        axes.plot([], [], color=ACCENT, linestyle="--", label="baseline")
        axes.legend(fontsize=SMALL, frameon=False, loc="lower left")
    if len(set(ends)) > 1:
        mappable = ScalarMappable(norm=norm, cmap=_SPARSITY)
        bar = figure.colorbar(mappable, ax=axes, location="bottom", aspect=60, shrink=0.6, pad=0.03)
        bar.set_label("sparsity at the last step, %", fontsize=SMALL)
        bar.ax.tick_params(labelsize=SMALL, length=2)
        bar.outline.set_visible(False)
    return figure


def _name_ends(axes: Axes, courses: Sequence[Course], norm: Normalize) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    last = [100 * course.accuracy[-1] for course in courses]
    heights = spread_out(last, gap=0.05 * (high - low), low=low, high=high)
    for course, value, height in zip(courses, last, heights, strict=True):
        colour = ACCENT if course.baseline else _SPARSITY(norm(100 * course.sparsity[-1]))
        axes.annotate(
            f"{cut_middle(course.label)}: {value:.1f}",
            (course.steps[-1], value),
            xytext=(1.03, height),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            fontsize=SMALL,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.8, "relpos": (0, 0.5)},
            annotation_clip=False,
        )

"""Picture of the accuracy of every class, with 95 % intervals, of one model or of two side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compression.reporting.figures.class_labels import describe_choice, keep_worst, label_class
from compression.reporting.figures.dot_rows import place_rows, write_above, write_column
from compression.reporting.figures.style import AFTER, INK, TEXT, draw_nothing

# Inches per letter of a heading, and between two headings.
_LETTER, _BETWEEN = 0.064, 0.14


def draw_per_class_accuracy(models: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Return a picture with a row per class, the worst class on top: a dot for the accuracy, a line for its interval.

    ``models`` are one or two models by name, each as ``describe_failures`` returns it. The last one orders the rows and
    has filled dots. Classes without test images are left out; above ``MAX_CLASSES``, the worst are drawn.
    """
    *_, (subject_name, subject) = models.items()
    tested = [index for index, row in enumerate(subject["classes"]) if row["recall"] is not None]
    if not tested:
        return draw_nothing("No class has test images")
    tested.sort(key=lambda index: (subject["classes"][index]["recall"], -subject["classes"][index]["images"]))
    shown = keep_worst(tested)
    ends = np.cumsum([_BETWEEN + _LETTER * (2 + len(name)) for name in models]).tolist()
    title = "Accuracy of each class" + ("" if len(models) > 1 else f", {subject_name}") + describe_choice(len(tested))
    figure, [axes] = place_rows(
        [label_class(subject["classes"][index]["name"]) for index in shown],
        title=title,
        row_height=0.3 if len(models) > 1 else 0.25,
        gaps=(ends[-1] + 0.1,),
    )
    average = 100 * subject["balanced_accuracy"]["value"]
    lowest = average
    for (name, model), end in zip(models.items(), ends, strict=True):
        filled = model is subject
        rows = [model["classes"][index] for index in shown]
        offset = 0.0 if len(models) == 1 else 0.16 if filled else -0.16
        _draw_model(axes, rows, filled=filled, offset=offset)
        texts = ["" if row["recall"] is None else f"{100 * row['recall']:.1f}" for row in rows]
        heading, colour = (f"● {name}", AFTER) if filled else (f"□ {name}", INK)
        write_column(axes, texts, heading=heading, inches=end, colour=colour)
        lowest = min([lowest, *(100 * row["low"] for row in rows if row["low"] is not None)])
    low = max(lowest - 0.04 * (100 - lowest) - 0.1, 0.0)
    axes.set_xlim(low, 100)
    axes.axvline(average, color="black", linewidth=0.9, linestyle="--", zorder=1)
    at = (average - low) / (100 - low)
    whose = f", {subject_name}" if len(models) > 1 else ""
    write_above(
        axes, f"average class{whose}: {average:.1f} %", x=at, align="right" if at > 0.5 else "left", colour="black"
    )
    axes.set_xlabel("images of the class classified correctly, %; line: 95 % interval", fontsize=TEXT)
    return figure


def _draw_model(axes: Axes, rows: Sequence[Mapping[str, Any]], *, filled: bool, offset: float) -> None:
    known = [(place + offset, row) for place, row in enumerate(rows) if row["recall"] is not None]
    heights = [height for height, _ in known]
    colour = AFTER if filled else INK
    lows, highs = ([100 * row[key] for _, row in known] for key in ("low", "high"))
    axes.hlines(heights, lows, highs, color=colour, linewidth=1.8 if filled else 1.0, zorder=2)
    axes.plot(
        [100 * row["recall"] for _, row in known],
        heights,
        linestyle="none",
        marker="o" if filled else "s",
        markersize=5.5 if filled else 4.5,
        color=colour,
        markerfacecolor=colour if filled else "white",
        zorder=3,
        clip_on=False,
    )

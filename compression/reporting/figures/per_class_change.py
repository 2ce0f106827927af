"""Picture of the change of every class from one model to another, with 95 % intervals."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from compression.analysis.verdict import SIGNIFICANCE
from compression.reporting.figures.class_labels import describe_choice, keep_worst, label_class
from compression.reporting.figures.dot_rows import place_rows, write_above, write_column
from compression.reporting.figures.style import ACCENT, AFTER, INK, TEXT


def draw_per_class_change(change: Mapping[str, Any], *, names: tuple[str, str] = ("dense", "compressed")) -> Figure:
    """Return a picture with a row per class, the largest loss on top, below a row for all images.

    ``change`` is as ``describe_change`` returns it; ``names`` are the two models. Dots of changes that are more than
    chance explains are filled, orange for a loss and blue for a gain. Above ``MAX_CLASSES``, the worst are drawn.
    """
    overall = {**change["accuracy"], "p_corrected": change["p_value"]}
    overall = {"change": overall["value"], **overall, "worsened": change["worsened"], "improved": change["improved"]}
    rows = [overall, *keep_worst(change["classes"])]
    labels = ["all images", *(label_class(row["name"]) for row in rows[1:])]
    title = f"Change of accuracy from {names[0]} to {names[1]}{describe_choice(len(change['classes']))}"
    figure, [axes] = place_rows(labels, title=title, row_height=0.25, gaps=(2.1,))
    axes.axvline(0, color="black", linewidth=0.9, zorder=1)
    # A line below the row of all images, because the others are parts of it.
    axes.axhline(0.5, color="black", linewidth=0.6, zorder=1)
    for place, row in enumerate(rows):
        sure = row["p_corrected"] < SIGNIFICANCE
        colour = (ACCENT if row["change"] < 0 else AFTER) if sure else INK
        axes.plot([100 * row["low"], 100 * row["high"]], [place, place], color=colour, linewidth=1.6, zorder=2)
        style: dict[str, Any] = {"marker": "o", "markersize": 5.5, "markerfacecolor": colour if sure else "white"}
        axes.plot([100 * row["change"]], [place], color=colour, zorder=3, **style)
    low, high = 100 * min(row["low"] for row in rows), 100 * max(row["high"] for row in rows)
    margin = 0.05 * (max(high, 0) - min(low, 0))
    axes.set_xlim(min(low, 0) - margin, max(high, 0) + margin)
    write_above(axes, "● more than chance, ○ chance can explain it", x=0, colour="black")
    write_column(axes, [_write_points(row["change"]) for row in rows], heading="points", inches=0.55, colour="black")
    write_column(axes, [f"{row['worsened']:,}" for row in rows], heading="now wrong", inches=1.25)
    write_column(axes, [f"{row['improved']:,}" for row in rows], heading="now right", inches=1.95)
    axes.set_xlabel("change of accuracy, points; line: 95 % interval", fontsize=TEXT)
    return figure


def _write_points(change: float) -> str:
    text = f"{100 * change:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text

"""Picture of the distribution of weights in every layer, before and after pruning."""

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from compression.reporting.figures.style import (
    AFTER,
    BEFORE,
    SMALL,
    TEXT,
    TITLE,
    draw_nothing,
    percent,
    remove_frame,
    shorten,
)

BINS = 41
# The lower end of the logarithmic axis is below 1, so that a single weight is still visible.
BOTTOM = 0.5
_OUTLINE = "#606060"
_MARKS = {1: "1", 10: "10", 100: "100", 10_000: "10k", 1_000_000: "1M", 100_000_000: "100M"}


def draw_weight_histograms(before: Mapping[str, Tensor], *, after: Mapping[str, Tensor]) -> Figure:
    """Return a picture with one panel per layer: weights per bin on a logarithmic scale, before and after pruning.

    ``before`` and ``after`` map parameter names to weights of any shape. Zeros of ``after`` are not drawn; each panel
    states their percentage, and the percentage of weights that were removed with whole channels. Each panel also counts
    weights that are not finite.
    """
    names = list(dict.fromkeys([*before, *after]))
    if not names:
        return draw_nothing("No layer with weights to draw")
    columns = max(1, round(math.sqrt(len(names))))
    rows = math.ceil(len(names) / columns)
    width, height = max(6.4, 1.9 * columns), 1.55 * rows + 1.0
    figure = Figure(figsize=(width, height))
    # Margins are set in inches, because a layout engine would take longer than the drawing itself.
    figure.subplots_adjust(
        left=0.6 / width, right=1 - 0.15 / width, bottom=0.5 / height, top=1 - 0.85 / height, wspace=0.24, hspace=0.55
    )
    limit = int(width / columns * 13)
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.set_title(shorten(name, limit=limit), fontsize=TEXT, loc="left", pad=3)
        _draw_panel(axes, _values(before.get(name)), _values(after.get(name)))
    figure.suptitle("Weights of each layer before and after pruning", fontsize=TITLE, y=1 - 0.12 / height, va="top")
    figure.legend(
        handles=[Patch(color=BEFORE, label="before"), Patch(color=AFTER, label="after, zeros left out")],
        loc="upper center",
        bbox_to_anchor=(0.5, 1 - 0.3 / height),
        ncols=2,
        frameon=False,
        fontsize=TEXT,
    )
    figure.supxlabel("weight", fontsize=TEXT, y=0.08 / height, va="bottom")
    figure.supylabel("weights per bin, log scale", fontsize=TEXT, x=0.05 / width, ha="left")
    return figure


def _draw_panel(axes: Axes, before: np.ndarray, after: np.ndarray) -> None:
    remove_frame(axes)
    drawn_before, drawn_after = before[np.isfinite(before)], after[np.isfinite(after) & (after != 0)]
    span = max((float(np.abs(part).max()) for part in (drawn_before, drawn_after) if part.size), default=0.0) or 1.0
    top = 1
    for values, colour in ((drawn_before, BEFORE), (drawn_after, AFTER)):
        counts, edges = np.histogram(values, bins=BINS, range=(-span, span))
        top = max(top, int(counts.max()))
        axes.stairs(counts, edges, fill=True, baseline=BOTTOM, color=colour)
        if colour == BEFORE:
            # The outline stays visible where the bars of remaining weights cover those of before.
            axes.stairs(counts, edges, baseline=BOTTOM, color=_OUTLINE, linewidth=0.6, zorder=3)
    text = _describe(before, after)
    # Leaves room for the text above the highest bin.
    height = 1.25 + 0.15 * text.count("\n")
    axes.set(yscale="log", ylim=(BOTTOM, BOTTOM * (top / BOTTOM) ** height), xlim=(-span, span))
    # Marks at all powers of ten would crowd a tall axis; only powers of 100 would leave a low axis with a single mark.
    marks = [mark for mark in _MARKS if mark <= top and (mark != 10 or top < 100)]
    axes.set_yticks(marks, [_MARKS[mark] for mark in marks])
    axes.set_yticks([], minor=True)
    tick = float(f"{0.8 * span:.0e}")
    axes.set_xticks([-tick, 0, tick], [f"{-tick:g}", "0", f"{tick:g}"])
    axes.tick_params(labelsize=SMALL, length=2, pad=2)
    axes.text(0.98, 1.01, text, transform=axes.transAxes, ha="right", va="top", fontsize=SMALL)


def _describe(before: np.ndarray, after: np.ndarray) -> str:
    if not after.size:
        return "layer removed"
    words = [f"{percent(float(np.mean(after == 0)))} zero"]
    if after.size < before.size:
        words = [f"{percent(1 - after.size / before.size)} cut out", f"of the rest, {words[0]}"]
    strange = int(np.sum(~np.isfinite(after)))
    if strange:
        words.append(f"{strange:,} not finite")
    return "\n".join(words)


def _values(weight: Tensor | None) -> np.ndarray:
    return np.empty(0, np.float32) if weight is None else weight.detach().float().cpu().numpy().ravel()

"""Picture of images whose prediction became wrong, and of those whose prediction became right."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compression.analysis.paired_comparison import Flips
from compression.analysis.predictions import Predictions
from compression.reporting.figures.example_grid import CELL_HEIGHT, CELL_WIDTH, Example, caption, draw_grid
from compression.reporting.figures.style import SMALL, TEXT, TITLE, draw_nothing

NUM_EXAMPLES = 12
_COLUMNS = 4
_GAP = 0.35


def draw_flipped_examples(
    worsened: NDArray[np.uint8],
    improved: NDArray[np.uint8],
    *,
    flips: Flips,
    dense: Predictions,
    compressed: Predictions,
    names: tuple[str, str] = ("dense", "compressed"),
) -> Figure:
    """Return two grids of images: right before and wrong after at the left, the reverse at the right.

    ``worsened`` and ``improved`` are uint8 [M, H, W, C], the images of the first M indices of each in ``flips``;
    ``names`` are the names of the two models.
    """
    if not len(worsened) + len(improved):
        return draw_nothing(f"No image is right in only one of {names[0]} and {names[1]}")
    groups = [
        _make_examples(worsened, flips.worsened, before=dense, after=compressed),
        _make_examples(improved, flips.improved, before=dense, after=compressed),
    ]
    rows = max(math.ceil(len(group) / _COLUMNS) for group in groups)
    figure = Figure(figsize=(2 * _COLUMNS * CELL_WIDTH + _GAP + 0.2, rows * CELL_HEIGHT + 0.95))
    width, height = figure.get_size_inches()
    title = f"Images that only one model gets right; before: {names[0]}, now: {names[1]}"
    figure.text(0.1 / width, 1 - 0.08 / height, title, fontsize=TITLE, va="top")
    key = "orange: wrong class; black: right class; numbers: confidence. The most confident errors come first."
    figure.text(0.1 / width, 1 - 0.34 / height, key, fontsize=SMALL, va="top")
    headings = [
        f"right before, wrong now: {len(flips.worsened):,}",
        f"wrong before, right now: {len(flips.improved):,}",
    ]
    for number, (heading, group) in enumerate(zip(headings, groups, strict=True)):
        left = 0.1 + number * (_COLUMNS * CELL_WIDTH + _GAP)
        figure.text(left / width, 1 - 0.6 / height, heading, fontsize=TEXT, va="top", fontweight="bold")
        if group:
            draw_grid(figure, group, columns=_COLUMNS, left=left, top=0.85)
    return figure


def _make_examples(
    images: NDArray[np.uint8], indices: NDArray[np.int64], *, before: Predictions, after: Predictions
) -> Sequence[Example]:
    examples = []
    for image, index in zip(images, indices[: len(images)].tolist(), strict=True):
        was, now = (
            caption(word, one.class_names[one.predicted[index]], confidence=float(one.confidence[index]))
            for word, one in (("was", before), ("now", after))
        )
        right_before = bool(before.correct[index])
        wrong, right = (now, was) if right_before else (was, now)
        examples.append(Example(image, wrong=wrong, right=right, wrong_first=right_before))
    return examples

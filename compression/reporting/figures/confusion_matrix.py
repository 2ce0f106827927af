"""Picture of the confusion matrix, as numbers of images or as shares of the true class."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compression.reporting.figures.class_labels import MAX_CLASSES, describe_choice, label_class
from compression.reporting.figures.style import SMALL, TEXT, TITLE

_RIGHT = (0.91, 0.91, 0.91, 1.0)
_OTHERS = "others"


def draw_confusion_matrix(
    matrix: NDArray[np.int64], *, class_names: Sequence[str], normalized: bool = False, model: str = ""
) -> Figure:
    """Return a picture of ``matrix: [K, K]``, images by true class (row) and predicted class (column).

    With ``normalized``, cells are percentages of the true class. Right predictions are grey; errors are blue, darker
    for more images, so that they are not outshone by the diagonal. Above ``MAX_CLASSES`` classes, the classes with the
    lowest accuracy are drawn, with one column for all other predictions. ``model`` names the model in the title.
    """
    shown, counts, columns = _choose(matrix, class_names)
    cells = counts.astype(np.float64)
    if normalized:
        cells = 100 * cells / np.maximum(matrix.sum(axis=1)[shown], 1)[:, None]
    side = min(max(4.6 / counts.shape[1], 0.38), 0.9)
    rows = [label_class(class_names[index]) for index in shown]
    # Margins in inches, from the length of the names: a layout engine would take longer than the drawing.
    longest = 0.075 * max(map(len, [*rows, *columns]))
    left, bottom, top = 0.45 + longest, 0.45 + 0.75 * longest, 0.6
    wide, tall = side * counts.shape[1], side * counts.shape[0]
    figure = Figure(figsize=(left + wide + 0.15, bottom + tall + top))
    width, height = figure.get_size_inches()
    axes = figure.add_axes((left / width, bottom / height, wide / width, tall / height))
    _draw_cells(axes, cells, normalized=normalized)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_ylabel("true class", fontsize=TEXT)
    axes.set_xlabel("predicted class", fontsize=TEXT)
    subject = f"{model}: " if model else ""
    what = "images of each class by prediction, %" if normalized else "images by true and predicted class"
    title = f"{subject}{what}{describe_choice(len(class_names))}"
    anchor = max(0.0, 1 - (0.1 + 0.075 * len(title)) / width) if left > width / 2 else 0.1 / width
    figure.text(anchor, 1 - 0.08 / height, title[:1].upper() + title[1:], fontsize=TITLE, va="top")
    figure.text(anchor, 1 - 0.33 / height, "grey: right; blue: wrong, darker for more", fontsize=SMALL, va="top")
    return figure


def _choose(matrix: NDArray[np.int64], class_names: Sequence[str]) -> tuple[list[int], NDArray[np.int64], list[str]]:
    """Return the drawn classes, their cells [rows, columns] and the labels of the columns."""
    num = len(class_names)
    if num <= MAX_CLASSES:
        return list(range(num)), matrix, [label_class(name) for name in class_names]
    images = matrix.sum(axis=1)
    present = np.flatnonzero(images)
    recall = matrix.diagonal()[present] / images[present]
    # Among equal recalls, classes with more images come first.
    order = present[np.lexsort((-images[present], recall))][:MAX_CLASSES]
    chosen = matrix[np.ix_(order, order)]
    others = images[order] - chosen.sum(axis=1)
    return order.tolist(), np.column_stack([chosen, others]), [label_class(class_names[i]) for i in order] + [_OTHERS]


def _draw_cells(axes: Axes, cells: NDArray[np.float64], *, normalized: bool) -> None:
    errors = cells.copy()
    np.fill_diagonal(errors, 0)
    most = errors.max() or 1.0
    # The palest error still differs from white.
    shades = colormaps["Blues"](np.where(errors > 0, 0.1 + 0.8 * errors / most, 0.0))
    shades[errors == 0] = (1, 1, 1, 1)
    diagonal = np.arange(len(cells))
    shades[diagonal, diagonal] = _RIGHT
    axes.imshow(shades, interpolation="nearest", aspect="auto")
    axes.set_xticks(np.arange(cells.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(cells.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e3e3e3", linewidth=0.6)
    axes.tick_params(which="both", length=0, labelsize=TEXT)
    axes.spines[:].set_visible(False)
    for row, column in np.argwhere(cells > 0).tolist():
        right = row == column
        dark = not right and errors[row, column] > 0.55 * most
        axes.text(
            column,
            row,
            _write(cells[row, column], normalized=normalized),
            ha="center",
            va="center",
            fontsize=SMALL,
            fontweight="bold" if right else "normal",
            color="white" if dark else "black",
        )


def _write(value: float, *, normalized: bool) -> str:
    if not normalized:
        return f"{value:.0f}"
    if value in (0.0, 100.0):
        return f"{value:.0f}"
    # 99.97 % is not 100 %, and 0.02 % is not nothing.
    return f"{min(max(value, 0.1), 99.9):.1f}"

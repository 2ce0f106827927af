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
_OWN, _OTHERS = "own class", "others"


def draw_confusion_matrix(
    matrix: NDArray[np.int64], *, class_names: Sequence[str], normalized: bool = False, model: str = ""
) -> Figure:
    """Return a picture of ``matrix: [K, K]``, images by true class (row) and predicted class (column).

    With ``normalized``, cells are percentages of the true class. Right predictions are grey; errors are blue, darker
    for more images, so that they are not outshone by the diagonal. Above ``MAX_CLASSES`` classes, the rows are the
    classes with the lowest accuracy, and the columns are their own class, the classes that they are most often mistaken
    for, and all others. ``model`` names the model in the title.
    """
    shown, counts, columns, right = _choose(matrix, class_names)
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
    shaded = counts.shape[1] - (len(class_names) > MAX_CLASSES)
    _draw_cells(axes, cells, right=right, shaded=shaded, normalized=normalized)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_ylabel("true class", fontsize=TEXT)
    axes.set_xlabel("predicted class", fontsize=TEXT)
    what = "Images of each class by prediction, %" if normalized else "Images by true and predicted class"
    title = what + (f", {model}" if model else "") + describe_choice(len(class_names))
    key = "grey: right; blue: wrong, darker for more"
    if len(class_names) > MAX_CLASSES:
        key += "; columns: the classes that these are most often mistaken for"
    figure.text(0.1 / width, 1 - 0.08 / height, title, fontsize=TITLE, va="top")
    figure.text(0.1 / width, 1 - 0.33 / height, key, fontsize=SMALL, va="top")
    return figure


def _choose(
    matrix: NDArray[np.int64], class_names: Sequence[str]
) -> tuple[list[int], NDArray[np.int64], list[str], list[int]]:
    """Return the classes drawn as rows, their cells, the labels of the columns, and each row's right column."""
    num = len(class_names)
    if num <= MAX_CLASSES:
        return list(range(num)), matrix, [label_class(name) for name in class_names], list(range(num))
    images = matrix.sum(axis=1)
    present = np.flatnonzero(images)
    recall = matrix.diagonal()[present] / images[present]
    # Among equal recalls, classes with more images come first.
    rows = present[np.lexsort((-images[present], recall))][:MAX_CLASSES]
    errors = matrix[rows].copy()
    errors[np.arange(len(rows)), rows] = 0
    # Shares are added up, so that a class with many images does not decide alone.
    frequent = np.argsort(-(errors / images[rows][:, None]).sum(axis=0), kind="stable")[: MAX_CLASSES - 2]
    named = errors[:, frequent]
    own, others = matrix.diagonal()[rows], errors.sum(axis=1) - named.sum(axis=1)
    labels = [_OWN, *(label_class(class_names[index]) for index in frequent), _OTHERS]
    return rows.tolist(), np.column_stack([own, named, others]), labels, [0] * len(rows)


def _draw_cells(axes: Axes, cells: NDArray[np.float64], *, right: Sequence[int], shaded: int, normalized: bool) -> None:
    """Draw the cells; ``right`` is the column of each row's own class, and columns from ``shaded`` on stay white."""
    errors = cells.copy()
    errors[np.arange(len(cells)), right] = 0
    errors[:, shaded:] = 0
    most = errors.max() or 1.0
    # The palest error is almost white, so that the frequent ones stand out.
    shades = colormaps["Blues"](0.03 + 0.87 * errors / most)
    shades[errors == 0] = (1, 1, 1, 1)
    shades[np.arange(len(cells)), right] = _RIGHT
    axes.imshow(shades, interpolation="nearest", aspect="auto")
    axes.set_xticks(np.arange(cells.shape[1] + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(cells.shape[0] + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="#e3e3e3", linewidth=0.6)
    axes.tick_params(which="both", length=0, labelsize=TEXT)
    axes.spines[:].set_visible(False)
    for row, column in np.argwhere(cells > 0).tolist():
        axes.text(
            column,
            row,
            _write(cells[row, column], normalized=normalized),
            ha="center",
            va="center",
            fontsize=SMALL,
            fontweight="bold" if column == right[row] else "normal",
            color="white" if errors[row, column] > 0.55 * most else "black",
        )


def _write(value: float, *, normalized: bool) -> str:
    if not normalized:
        return f"{value:.0f}"
    if value in (0.0, 100.0):
        return f"{value:.0f}"
    # 99.97 % is not 100 %, and 0.02 % is not nothing.
    return f"{min(max(value, 0.1), 99.9):.1f}"

"""Contact sheet of a set of images: a row of examples for each class, with its name and number of images."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compression.reporting.figures import DPI
from compression.reporting.figures.class_labels import fit_label
from compression.reporting.figures.example_grid import fit_image
from compression.reporting.figures.style import INK, SMALL, TEXT, TITLE

# Dots of the picture: the box of an image, the space around it, the column of names, the title.
_BOX, _SPACE, _NAMES, _TOP = 96, 8, 150, 44


def draw_contact_sheet(rows: Sequence[tuple[str, int, Sequence[NDArray[np.uint8]]]], *, num_classes: int) -> Figure:
    """Return a picture with a row for each of (class name, number of images, examples as uint8 ``[H, W, C]``)."""
    columns = max(len(images) for _, _, images in rows)
    step = _BOX + _SPACE
    width, height = _NAMES + columns * step, _TOP + len(rows) * step
    canvas = np.full((height, width, 3), 255, np.uint8)
    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    for number, (name, count, images) in enumerate(rows):
        y = _TOP + number * step
        label = fit_label(name, width=(_NAMES - 16) * 72 / DPI, size=TEXT)
        axes.text(8, y + _BOX / 2 - 6, label, fontsize=TEXT, va="bottom")
        axes.text(8, y + _BOX / 2 - 2, f"{count:,} images", fontsize=SMALL, color=INK, va="top")
        for place, image in enumerate(images):
            fitted = fit_image(image, side=_BOX)
            x = _NAMES + place * step
            canvas[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    shown = f"{len(rows)} of {num_classes} classes" if len(rows) < num_classes else f"{num_classes} classes"
    axes.text(8, 10, f"{shown}, images as a network sees them", fontsize=TITLE, va="top")
    # A dot of the canvas is a dot of the picture, so pixels stay sharp squares.
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure

"""Grids of example images with captions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from compression.reporting.figures.class_labels import fit_label
from compression.reporting.figures.style import ACCENT, SMALL

DOTS = 120
# Dots of the picture: the box of an image, the space right of it, the height of a caption.
_BOX, _SPACE, _CAPTION = 96, 56, 52
# Dots between the captions of two images.
_APART = 10
CELL_WIDTH, CELL_HEIGHT = (_BOX + _SPACE) / DOTS, (_BOX + _CAPTION) / DOTS


@dataclass(frozen=True)
class Example:
    """An image, uint8 [H, W, C], with two lines of text: what is wrong in orange, and what is right in black."""

    image: NDArray[np.uint8]
    wrong: str
    right: str
    wrong_first: bool = True


def draw_grid(figure: Figure, examples: Sequence[Example], *, columns: int, left: float, top: float) -> None:
    """Draw a grid of ``examples`` row by row; its corner is ``left`` and ``top`` inches from that of the figure."""
    width, height = figure.get_size_inches()
    rows = math.ceil(len(examples) / columns)
    wide, tall = columns * CELL_WIDTH, rows * CELL_HEIGHT
    canvas = np.full((round(tall * DOTS), round(wide * DOTS), 3), 255, np.uint8)
    axes = figure.add_axes((left / width, 1 - (top + tall) / height, wide / width, tall / height))
    for number, example in enumerate(examples):
        x, y = number % columns * (_BOX + _SPACE), number // columns * (_BOX + _CAPTION)
        fitted = fit_image(example.image, side=_BOX)
        down = y + _BOX - fitted.shape[0]
        canvas[down : down + fitted.shape[0], x : x + fitted.shape[1]] = fitted
        lines = [(example.wrong, ACCENT), (example.right, "black")]
        for line, (text, colour) in enumerate(lines if example.wrong_first else lines[::-1]):
            axes.text(x, y + _BOX + 16 + 17 * line, text, fontsize=SMALL, color=colour)
    # A dot of the canvas is a dot of the picture, so pixels stay sharp squares.
    axes.imshow(canvas, interpolation="nearest", aspect="auto")
    axes.set(xticks=[], yticks=[])
    axes.set_axis_off()


def fit_image(image: NDArray[np.uint8], *, side: int) -> NDArray[np.uint8]:
    """Return the image [H, W, 1 or 3] as RGB whose longer side is at most ``side``.

    Small images grow by a whole factor without smoothing, if that nearly fills the box. Others are interpolated.
    """
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[:, :, :3]
    longest = max(rgb.shape[:2])
    factor = side // longest
    if factor * longest >= 0.8 * side:
        return rgb.repeat(factor, axis=0).repeat(factor, axis=1)
    size = (max(1, round(rgb.shape[1] * side / longest)), max(1, round(rgb.shape[0] * side / longest)))
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR))


def caption(word: str, name: str, *, confidence: float | None = None) -> str:
    """Return e.g. ``now cat 0.93``, short enough for a cell."""
    number = "" if confidence is None else f" {write_confidence(confidence)}"
    width = (_BOX + _SPACE - _APART) * 72 / DOTS
    return fit_label(name, width=width, size=SMALL, before=f"{word} ".lstrip(), after=number)


def write_confidence(confidence: float) -> str:
    """Return the confidence with two digits, or three from 0.99 on; below 1 it is never rounded to 1."""
    return f"{confidence:.2f}" if confidence < 0.99 or confidence == 1 else f"{min(confidence, 0.999):.3f}"

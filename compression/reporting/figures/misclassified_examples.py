"""Picture of wrongly classified images, the most confident errors first."""

import math

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compression.analysis.predictions import Predictions
from compression.reporting.figures.example_grid import CELL_HEIGHT, CELL_WIDTH, Example, caption, draw_grid
from compression.reporting.figures.style import SMALL, TITLE, draw_nothing

NUM_EXAMPLES = 24
_COLUMNS = 6


def draw_misclassified_examples(
    images: NDArray[np.uint8], *, indices: NDArray[np.int64], predictions: Predictions, model: str = ""
) -> Figure:
    """Return a grid of ``images: [M, H, W, C]`` (uint8, C is 1 or 3), whose places in the predictions are ``indices``.

    The caller chooses them, usually by ``most_confident_errors``. Under each image are the predicted class with its
    confidence and the true class. ``model`` names the model in the title.
    """
    errors = int((~predictions.correct).sum())
    subject = f", {model}" if model else ""
    if not len(indices):
        return draw_nothing(f"No error among {predictions.num_images:,} test images{subject}")
    names = predictions.class_names
    examples = [
        Example(
            image,
            wrong=caption("", names[predictions.predicted[index]], confidence=float(predictions.confidence[index])),
            right=caption("true:", names[predictions.labels[index]]),
        )
        for image, index in zip(images, indices.tolist(), strict=True)
    ]
    columns = min(_COLUMNS, max(len(examples), 4))
    rows = math.ceil(len(examples) / columns)
    figure = Figure(figsize=(columns * CELL_WIDTH + 0.2, rows * CELL_HEIGHT + 0.65))
    height = figure.get_size_inches()[1]
    left = 0.1 / figure.get_size_inches()[0]
    shown = "all" if len(examples) == errors else f"the {len(examples)} most confident"
    title = f"Misclassified test images{subject}: {shown} of {errors:,}"
    figure.text(left, 1 - 0.08 / height, title, fontsize=TITLE, va="top")
    key = "orange: predicted class and confidence; black: true class"
    figure.text(left, 1 - 0.34 / height, key, fontsize=SMALL, va="top")
    draw_grid(figure, examples, columns=columns, left=0.1, top=0.62)
    return figure

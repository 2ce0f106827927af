"""The files of a failure analysis: the record, a text and pictures."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from compression.analysis.predictions import Predictions
from compression.core.file_names import FAILURE_MODES
from compression.system.files import write_atomic

RECORD, TEXT = FAILURE_MODES, "failure_mode_report.txt"
# The pictures by the name of their file, with their titles in reports. Those of a change come last.
TITLES = {
    "confusion_matrix.png": "confusion matrix",
    "confusion_matrix_normalized.png": "the same in shares of each class",
    "per_class_accuracy.png": "accuracy of each class",
    "confidence_distribution.png": "confidence",
    "misclassified_examples.png": "misclassified images",
    "per_class_change.png": "change of each class",
    "flipped_examples.png": "images that flipped",
}


class LoadImages(Protocol):
    """Access to test images by index."""

    def __call__(self, indices: Sequence[int], /) -> NDArray[np.uint8]:
        """Return the images at ``indices`` as ``[M, H, W, 3]``."""


def write_failures(
    folder: Path, record: Mapping[str, Any], predictions: Mapping[str, Predictions], *, load_images: LoadImages
) -> list[str]:
    """Write the files of ``record``, a document of ``make_failure_record``, into ``folder``; return their names.

    ``predictions`` are those on the test images, by model, from which the record was made. Pictures that an earlier
    analysis left in the folder and that this one does not have are removed.
    """
    # Imported late, because it needs matplotlib.
    from compression.reporting.failure_pictures import draw_failure_pictures
    from compression.reporting.failure_report import write_failure_report
    from compression.reporting.figures import save_figure

    def load(indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        return load_images(indices.tolist())

    write_atomic(folder / RECORD, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
    write_atomic(folder / TEXT, write_failure_report(record).encode())
    written = []
    for name, figure in draw_failure_pictures(record, predictions=predictions, load_images=load):
        save_figure(figure, folder / name)
        written.append(name)
    remove_pictures(folder, keep=written)
    return [RECORD, TEXT, *written]


def remove_pictures(folder: Path, *, keep: Sequence[str] = ()) -> None:
    """Remove the pictures of an analysis from ``folder``, but those in ``keep``."""
    for name in TITLES:
        if name not in keep:
            (folder / name).unlink(missing_ok=True)

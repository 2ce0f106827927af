"""All pictures of failure modes of a model, and of its change from another."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from compression.analysis.class_metrics import count_confusions
from compression.analysis.confidence import most_confident_errors
from compression.analysis.paired_comparison import find_flips
from compression.analysis.predictions import Predictions
from compression.reporting.figures import flipped_examples, misclassified_examples
from compression.reporting.figures.confidence_distribution import draw_confidence_distribution
from compression.reporting.figures.confusion_matrix import draw_confusion_matrix
from compression.reporting.figures.per_class_accuracy import draw_per_class_accuracy
from compression.reporting.figures.per_class_change import draw_per_class_change

LoadImages = Callable[[NDArray[np.int64]], NDArray[np.uint8]]


def draw_failure_pictures(
    document: Mapping[str, Any], *, predictions: Mapping[str, Predictions], load_images: LoadImages | None = None
) -> Iterator[tuple[str, Figure]]:
    """Yield the pictures of a document of ``combine_failure_modes`` one by one, each with the name of its file.

    ``predictions`` are those of the document's models, under the same names; the last one is the model in question.
    ``load_images`` returns the images of indices [M] as uint8 [M, H, W, C]; without it there are no pictures of
    examples. Pictures of a change are drawn only if the document has one.
    """
    *_, name = predictions
    subject = predictions[name]
    matrix = count_confusions(subject)
    for normalized, file_name in ((False, "confusion_matrix.png"), (True, "confusion_matrix_normalized.png")):
        drawn = draw_confusion_matrix(matrix, class_names=subject.class_names, normalized=normalized, model=name)
        yield file_name, drawn
    yield "per_class_accuracy.png", draw_per_class_accuracy(document["models"])
    confidence = document["models"][name]["confidence"]
    yield "confidence_distribution.png", draw_confidence_distribution(confidence, model=name)
    if load_images is not None:
        errors = most_confident_errors(subject, limit=misclassified_examples.NUM_EXAMPLES)
        drawn = misclassified_examples.draw_misclassified_examples(
            load_images(errors), indices=errors, predictions=subject, model=name
        )
        yield "misclassified_examples.png", drawn
    if document["change"] is None:
        return
    first, *_ = predictions
    yield "per_class_change.png", draw_per_class_change(document["change"], names=(first, name))
    if load_images is not None:
        flips, most = find_flips(predictions[first], subject), flipped_examples.NUM_EXAMPLES
        drawn = flipped_examples.draw_flipped_examples(
            load_images(flips.worsened[:most]),
            load_images(flips.improved[:most]),
            flips=flips,
            dense=predictions[first],
            compressed=subject,
            names=(first, name),
        )
        yield "flipped_examples.png", drawn

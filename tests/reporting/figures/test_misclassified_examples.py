import numpy as np
import pytest
from figure_texts import overlaps
from sample_predictions import exact_predictions, random_predictions

from compression.analysis.confidence import most_confident_errors
from compression.reporting.figures.misclassified_examples import NUM_EXAMPLES, draw_misclassified_examples


def test_captions_by_hand():
    made = exact_predictions([0, 0, 1], [1, 0, 0], confidence=[0.6, 0.9, 0.8], names=["cat", "dog"])
    errors = most_confident_errors(made, limit=24)
    figure = draw_misclassified_examples(
        np.zeros((2, 8, 8, 1), np.uint8), indices=errors, predictions=made, model="dense"
    )
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["cat 0.80", "true: dog", "dog 0.60", "true: cat"]
    assert figure.texts[0].get_text() == "Misclassified test images, dense: all of 2"


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (300, 200, 3)])
def test_any_images(classes, shape):
    made = random_predictions(images=1000, classes=classes, skill=1)
    errors = most_confident_errors(made, limit=NUM_EXAMPLES)
    figure = draw_misclassified_examples(np.zeros((24, *shape), np.uint8), indices=errors, predictions=made)
    assert overlaps(figure) == []
    assert "the 24 most confident of" in figure.texts[0].get_text()


def test_no_error_is_said():
    made = exact_predictions([0, 1], [0, 1], names="ab")
    none = np.empty(0, np.int64)
    figure = draw_misclassified_examples(np.empty((0, 8, 8, 3), np.uint8), indices=none, predictions=made)
    assert figure.texts[0].get_text() == "No error among 2 test images"

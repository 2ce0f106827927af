import numpy as np
import pytest
import scipy.special
from sample_predictions import random_predictions

from compression.analysis import predictions as module
from compression.analysis.predictions import Predictions
from compression.core.errors import InputError

LOG3 = np.float32(np.log(3))


def make(logits, labels, names="ab"):
    return Predictions(np.array(logits, np.float32), np.array(labels), tuple(names))


def test_figures_by_hand():
    made = make([[LOG3, 0], [0, LOG3], [5, 5]], [0, 0, 0])
    assert made.probabilities == pytest.approx(np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]))
    assert made.predicted.tolist() == [0, 1, 0]
    assert made.confidence.tolist() == pytest.approx([0.75, 0.75, 0.5])
    assert made.correct.tolist() == [True, False, True]
    # A temperature of 2 turns odds of 3 into odds of sqrt(3).
    assert made.confidence_at(2.0)[0] == pytest.approx(np.sqrt(3) / (1 + np.sqrt(3)))


def test_probabilities_agree_with_scipy_across_blocks(monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_VALUES", 10)
    made = random_predictions(images=23, classes=4)
    expected = scipy.special.softmax(made.logits.astype(np.float64), axis=1)
    assert made.probabilities == pytest.approx(expected)
    assert made.confidence == pytest.approx(expected.max(axis=1))


def test_logits_that_are_not_finite_have_figures():
    made = make([[np.nan, 0], [np.inf, 0], [-np.inf, 0], [1e38, -1e38]], [0, 0, 1, 0])
    assert made.finite.tolist() == [False, False, False, True]
    assert made.confidence.tolist() == [0.5, 1.0, 1.0, 1.0]
    assert made.correct.tolist() == [True, True, True, True]
    assert made.confidence_at(0.05).tolist() == [0.5, 1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("logits", "labels", "names", "message"),
    [
        ([[0, 1]], [0, 1], "ab", r"logits have the shape \[1, 2\] and labels \[2\]: must be"),
        ([[0, 1]], [0], "abc", "logits have 2 classes, but there are 3 class names"),
        (np.empty((0, 2)), [], "ab", "no image to analyze"),
        ([[0, 1]], [2], "ab", "labels go from 2 to 2: must be 0 to 1"),
        ([[0, 1]], [-1], "ab", "labels go from -1 to -1: must be 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(logits, labels, names, message):
    with pytest.raises(InputError, match=message):
        make(logits, labels, names)

import numpy as np
import pytest
import torch
from sample_predictions import exact_predictions, random_predictions
from scipy.special import log_softmax
from torchmetrics.functional.classification import multiclass_calibration_error

from compression.analysis.confidence import (
    TEMPERATURES,
    bin_confidence,
    expected_calibration_error,
    fit_temperature,
    most_confident_errors,
)
from compression.analysis.predictions import Predictions


def error(made, *, temperature=1.0):
    return expected_calibration_error(bin_confidence(made.confidence_at(temperature), correct=made.correct))


def test_calibration_error_by_hand():
    confidence = np.array([0.95, 0.95, 0.65, 0.55])
    bins = bin_confidence(confidence, correct=np.array([True, False, True, False]))
    assert [(place, one.images) for place, one in enumerate(bins) if one.images] == [(8, 1), (9, 1), (14, 2)]
    assert (bins[14].confidence, bins[14].accuracy) == (pytest.approx(0.95), 0.5)
    assert (bins[0].confidence, bins[0].accuracy) == (None, None)
    # (2 |0.5 - 0.95| + |1 - 0.65| + |0 - 0.55|) / 4
    assert expected_calibration_error(bins) == pytest.approx(0.45)


def test_confidence_on_an_edge_belongs_to_the_bin_above_it_and_1_to_the_last():
    bins = bin_confidence(np.array([0.0, 0.5, 1.0]), correct=np.array([True] * 3), num_bins=2)
    assert [one.images for one in bins] == [1, 2]


@pytest.mark.parametrize("classes", [2, 10])
def test_calibration_error_agrees_with_torchmetrics(classes):
    made = random_predictions(images=2000, classes=classes)
    expected = multiclass_calibration_error(
        torch.from_numpy(made.probabilities), torch.from_numpy(made.labels), classes, n_bins=15, norm="l1"
    )
    assert error(made) == pytest.approx(float(expected), abs=1e-6)


def test_temperature_by_hand():
    # 3 of 4 images are right, and the logits differ by 2 log 3. Odds of 3 are right, so the temperature is 2.
    logits = np.tile(np.array([2 * np.log(3), 0], np.float32), (4, 1))
    assert fit_temperature(Predictions(logits, np.array([0, 0, 0, 1]), ("a", "b"))) == pytest.approx(2, abs=1e-4)


def test_temperature_is_the_best_of_many():
    made = random_predictions(images=500, classes=5)
    made = Predictions(made.logits * 3, made.labels, made.class_names)
    found = fit_temperature(made)

    def loss(temperature):
        return -log_softmax(made.logits.astype(float) / temperature, axis=1)[np.arange(500), made.labels].mean()

    grid = np.geomspace(*TEMPERATURES, 400)
    assert loss(found) <= min(map(loss, grid)) + 1e-9
    assert error(made, temperature=found) < error(made)


def test_temperature_at_the_limits():
    right = exact_predictions([0, 1], [0, 1], names="ab")
    wrong = exact_predictions([0, 1], [1, 0], names="ab")
    assert (fit_temperature(right), fit_temperature(wrong)) == TEMPERATURES


def test_equal_logits_have_the_temperature_1():
    equal = Predictions(np.full((5, 3), 7, np.float32), np.array([0, 1, 2, 0, 1]), ("a", "b", "c"))
    assert fit_temperature(equal) == 1.0
    assert equal.predicted.tolist() == [0] * 5
    # The confidence is 1/3, and 2 of 5 are right.
    assert error(equal) == pytest.approx(2 / 5 - 1 / 3)


def test_most_confident_errors_come_first():
    made = exact_predictions([0, 0, 0, 0], [1, 0, 1, 1], confidence=[0.6, 0.99, 0.9, 0.6], names="ab")
    assert most_confident_errors(made, limit=10).tolist() == [2, 0, 3]
    assert most_confident_errors(made, limit=1).tolist() == [2]
    assert most_confident_errors(exact_predictions([0], [0], names="ab"), limit=3).tolist() == []

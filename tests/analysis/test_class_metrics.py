import numpy as np
import pytest
from sample_predictions import exact_predictions, random_predictions
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from compression.analysis.class_metrics import count_confusions, measure_classes


def test_figures_by_hand():
    # Class a: 2 of 3 right; b: 1 of 1; c: no image, but one prediction; d: neither.
    made = exact_predictions([0, 0, 0, 1], [0, 0, 2, 1], names="abcd")
    matrix = count_confusions(made)
    assert matrix.tolist() == [[2, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    metrics = measure_classes(matrix)
    np.testing.assert_allclose(metrics.recall, [2 / 3, 1, np.nan, np.nan])
    np.testing.assert_allclose(metrics.precision, [1, 1, 0, np.nan])
    np.testing.assert_allclose(metrics.f1, [0.8, 1, 0, np.nan])
    assert metrics.images.tolist() == [3, 1, 0, 0]
    assert metrics.balanced_accuracy.value == pytest.approx(5 / 6)
    assert metrics.macro_f1 == pytest.approx(1.8 / 3)
    assert (metrics.best, metrics.worst) == (1, 0)


def test_among_equal_classes_the_one_with_most_images_is_best_and_worst():
    metrics = measure_classes(np.diag([1, 4, 2]))
    assert (metrics.best, metrics.worst) == (1, 1)


@pytest.mark.parametrize("classes", [2, 7])
def test_figures_agree_with_scikit_learn(classes):
    made = random_predictions(images=500, classes=classes)
    truth, predicted = made.labels, made.predicted
    matrix = count_confusions(made)
    assert matrix.tolist() == confusion_matrix(truth, predicted).tolist()
    metrics = measure_classes(matrix)
    precision, recall, f1, support = precision_recall_fscore_support(truth, predicted)
    np.testing.assert_allclose(metrics.precision, precision)
    np.testing.assert_allclose(metrics.recall, recall)
    np.testing.assert_allclose(metrics.f1, f1)
    np.testing.assert_array_equal(metrics.images, support)
    assert metrics.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(truth, predicted))
    assert metrics.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))


def test_classes_without_images_agree_with_scikit_learn():
    draw = np.random.default_rng(3)
    truth, predicted = draw.integers(0, 4, 200), draw.integers(0, 5, 200)
    metrics = measure_classes(count_confusions(exact_predictions(truth, predicted, names="abcdef")))
    expected = precision_recall_fscore_support(truth, predicted, labels=range(6), zero_division=np.nan)
    np.testing.assert_allclose(metrics.precision, expected[0])
    np.testing.assert_allclose(metrics.recall, expected[1])
    assert metrics.macro_f1 == pytest.approx(f1_score(truth, predicted, average="macro"))

import numpy as np
import pytest
from figure_texts import overlaps
from matplotlib.colors import to_hex
from sample_predictions import name_classes, random_predictions

from compression.analysis.class_metrics import count_confusions
from compression.reporting.figures.confusion_matrix import draw_confusion_matrix

MATRIX = np.array([[8, 2, 0], [0, 2999, 1], [0, 0, 0]])
NAMES = ["cat", "dog", "emu"]


def cells(figure):
    return {tuple(map(int, text.get_position()[::-1])): text.get_text() for text in figure.axes[0].texts}


def test_counts_by_hand():
    figure = draw_confusion_matrix(MATRIX, class_names=NAMES, model="compressed")
    assert cells(figure) == {(0, 0): "8", (0, 1): "2", (1, 1): "2999", (1, 2): "1"}
    assert figure.texts[0].get_text() == "Images by true and predicted class, compressed"


def test_shares_by_hand():
    figure = draw_confusion_matrix(MATRIX, class_names=NAMES, normalized=True)
    # 1 of 3,000 is above nothing, and 2,999 of 3,000 is below everything.
    assert cells(figure) == {(0, 0): "80.0", (0, 1): "20.0", (1, 1): "99.9", (1, 2): "0.1"}
    assert figure.texts[0].get_text() == "Images of each class by prediction, %"


def test_errors_are_darker_for_more_images_and_right_predictions_are_grey():
    shades = draw_confusion_matrix(MATRIX, class_names=NAMES).axes[0].images[0].get_array()
    assert to_hex(shades[0, 0]) == to_hex(shades[1, 1]) == "#e8e8e8"
    assert to_hex(shades[1, 0]) == "#ffffff"
    assert sum(shades[0, 1][:3]) < sum(shades[1, 2][:3]) < 3


@pytest.mark.parametrize("classes", [2, 10, 20, 1000])
@pytest.mark.parametrize("normalized", [False, True])
def test_any_number_of_classes(classes, normalized):
    matrix = count_confusions(random_predictions(images=10_000, classes=classes))
    figure = draw_confusion_matrix(matrix, class_names=name_classes(classes), normalized=normalized)
    assert len(figure.axes[0].get_yticklabels()) == min(classes, 20)
    assert ("the 20 worst of 1,000 classes" in figure.texts[0].get_text()) == (classes == 1000)
    # Turned labels overlap as boxes, not as letters.
    figure.axes[0].set_xticklabels([])
    assert overlaps(figure) == []


def test_the_worst_classes_and_what_they_are_mistaken_for():
    # Class i of 30 has 30 - i of 30 images right; one error is class 29, or class 28 for class 29, the others class 0.
    matrix = np.diag(30 - np.arange(30))
    matrix[1:, 0] += np.arange(29)
    matrix[1:29, 29] += 1
    matrix[29, 28] += 1
    figure = draw_confusion_matrix(matrix, class_names=[f"c{i}" for i in range(30)])
    rows = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert rows == [f"c{i}" for i in range(29, 9, -1)]
    columns = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert columns[:4] == ["own class", "c0", "c29", "c28"]
    assert columns[-1] == "others"
    found = cells(figure)
    assert (found[0, 0], found[0, 1], found[0, 3], found[1, 2]) == ("1", "28", "1", "1")


def test_other_predictions_are_counted_together():
    # Each class of 40 is mistaken for 30 others, once for each.
    matrix = 5 * np.eye(40, dtype=int)
    for row in range(40):
        matrix[row, (row + 1 + np.arange(30)) % 40] += 1
    figure = draw_confusion_matrix(matrix, class_names=[f"c{i}" for i in range(40)])
    for row in range(20):
        counts = [int(text) for (place, _), text in cells(figure).items() if place == row]
        assert sum(counts) == 35
    # They are not one class, so they have no shade.
    assert to_hex(figure.axes[0].images[0].get_array()[0, -1]) == "#ffffff"


def test_a_perfect_model_and_odd_names():
    figure = draw_confusion_matrix(np.diag([3, 4]), class_names=["$\\frac$", "<script>"])
    assert overlaps(figure) == []
    assert cells(figure) == {(0, 0): "3", (1, 1): "4"}

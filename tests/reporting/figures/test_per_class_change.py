import numpy as np
import pytest
from figure_texts import overlaps
from matplotlib.colors import to_hex
from sample_predictions import exact_predictions, random_predictions, related_predictions

from compression.analysis.failure_modes import describe_change
from compression.reporting.figures.per_class_change import draw_per_class_change
from compression.reporting.figures.style import ACCENT


def dots(figure):
    return [line for line in figure.axes[0].lines if line.get_marker() == "o"]


def test_classes_by_hand():
    # cat loses 9 of 20 images, dog gains 1 of 20.
    labels = np.repeat([0, 1], 20)
    before, after = labels.copy(), labels.copy()
    after[:9], before[20] = 1, 0
    change = describe_change(*(exact_predictions(labels, one, names=["cat", "dog"]) for one in (before, after)))
    figure = draw_per_class_change(change)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["all images", "cat", "dog"]
    assert [line.get_xdata()[0] for line in dots(figure)] == pytest.approx([-20, -45, 5])
    # Losses beyond chance are filled with orange.
    assert [to_hex(line.get_markerfacecolor()) for line in dots(figure)] == [ACCENT, ACCENT, "#ffffff"]
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts[1:4] == ["-20.0", "-45.0", "+5.0"]
    assert texts[5:8] == ["9", "9", "0"]
    assert texts[9:12] == ["1", "0", "1"]


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_any_number_of_classes(classes):
    dense = random_predictions(images=3000, classes=classes)
    figure = draw_per_class_change(describe_change(dense, related_predictions(dense, noise=0.5)))
    assert overlaps(figure) == []
    assert len(dots(figure)) == 1 + min(classes, 20)
    assert ("the 20 worst of" in figure.texts[0].get_text()) == (classes == 1000)


def test_no_change():
    same = exact_predictions([0, 1], [0, 1], names="ab")
    figure = draw_per_class_change(describe_change(same, same))
    assert overlaps(figure) == []
    assert [text.get_text() for text in figure.axes[0].texts][1] == "0.0"

import numpy as np
import pytest
from figure_texts import overlaps
from sample_predictions import exact_predictions, random_predictions

from compression.analysis.failure_modes import describe_failures
from compression.reporting.figures.confidence_distribution import draw_confidence_distribution


def test_a_model_by_hand():
    made = exact_predictions([0, 0, 0, 0], [0, 0, 0, 1], confidence=[0.75, 0.75, 0.75, 0.95], names="ab")
    figure = draw_confidence_distribution(describe_failures(made)["confidence"], model="dense")
    right, wrong, reliability = figure.axes
    assert right.get_title(loc="left") == "3 right, mean confidence 0.75 (dashed)"
    assert wrong.get_title(loc="left") == "1 wrong, mean confidence 0.95 (dashed), 1 above 0.9"
    assert reliability.lines[1].get_xydata() == pytest.approx(np.array([[0.75, 1.0], [0.95, 0.0]]))
    # (3 |1 - 0.75| + |0 - 0.95|) / 4
    assert [text.get_text() for text in reliability.get_legend().get_texts()] == ["as trained: 0.425"]


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_with_temperature(classes):
    made = random_predictions(images=1000, classes=classes, skill=6)
    figure = draw_confidence_distribution(describe_failures(made, held_out=made)["confidence"])
    assert overlaps(figure) == []
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert labels[1].startswith("temperature ")


@pytest.mark.parametrize("predicted", [[0, 1], [1, 0]])
def test_only_right_or_only_wrong_predictions(predicted):
    made = exact_predictions([0, 1], predicted, names="ab")
    assert overlaps(draw_confidence_distribution(describe_failures(made)["confidence"])) == []

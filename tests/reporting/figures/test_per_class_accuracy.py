import pytest
from figure_texts import overlaps
from sample_predictions import exact_predictions, random_predictions, related_predictions

from compression.analysis.failure_modes import describe_failures
from compression.reporting.figures.per_class_accuracy import draw_per_class_accuracy


def labels(figure):
    return [text.get_text() for text in figure.axes[0].get_yticklabels()]


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_classes_by_hand():
    made = exact_predictions([0, 0, 1, 1, 1], [0, 1, 1, 1, 1], names=["cat", "dog", "emu"])
    figure = draw_per_class_accuracy({"compressed": describe_failures(made)})
    # The worst class is on top; a class without images is left out.
    assert labels(figure) == ["cat", "dog"]
    dots = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert dots.get_xydata().tolist() == [[50, 0], [100, 1]]
    assert texts(figure) == ["50.0", "100.0", "● compressed", "average class: 75.0 %"]
    assert figure.texts[0].get_text() == "Accuracy of each class, compressed"


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("both", [False, True])
def test_any_number_of_classes(classes, both):
    dense = random_predictions(images=3000, classes=classes)
    models = {"dense": describe_failures(dense)} if both else {}
    models["compressed"] = describe_failures(related_predictions(dense, noise=0.5))
    figure = draw_per_class_accuracy(models)
    assert overlaps(figure) == []
    assert len(labels(figure)) == min(classes, 20)
    assert ("the 20 worst of" in figure.texts[0].get_text()) == (classes == 1000)
    assert ("□ dense" in texts(figure)) == both


def test_a_perfect_model():
    figure = draw_per_class_accuracy({"dense": describe_failures(exact_predictions([0, 1], [0, 1], names="ab"))})
    assert overlaps(figure) == []

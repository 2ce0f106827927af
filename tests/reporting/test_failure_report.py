import pytest
from sample_predictions import exact_predictions, name_classes, random_predictions, related_predictions

from compression.analysis.failure_modes import combine_failure_modes, describe_change, describe_failures
from compression.reporting.failure_report import write_failure_report

REST = {
    "layers": [{"name": f"features.{i}", "snr_db": 10.0 + i} for i in range(20)],
    "robustness": {
        kind: {strength: {"dense": 0.9, "compressed": 0.8} for strength in ("1", "2", "3")}
        for kind in ("noise", "blur", "contrast", "jpeg")
    },
}


def report(dense, compressed=None, **kwargs):
    models = {"dense": describe_failures(dense, held_out=dense)}
    change = None
    if compressed is not None:
        models["compressed"] = describe_failures(compressed, held_out=compressed)
        change = describe_change(dense, compressed)
    document = combine_failure_modes(dense.class_names, models=models, change=change, **kwargs)
    return write_failure_report(document)


def test_a_report_by_hand():
    labels = [0] * 10 + [1] * 10
    dense = exact_predictions(labels, [0] * 9 + [1] + [1] * 10, confidence=0.95, names=["cat", "dog"])
    compressed = exact_predictions(labels, [0] * 2 + [1] * 8 + [1] * 10, confidence=0.95, names=["cat", "dog"])
    lines = report(dense, compressed).splitlines()
    assert lines[0] == "Failure modes: compressed"
    assert "compressed: accuracy 60.00 % (95 % interval 38.66 to 78.12) on 20 test images" in lines
    assert any(line.startswith("dense: accuracy 95.00 %") for line in lines)
    assert any(line.startswith("  worst  cat 20.00 % (95 % interval 5.67 to 50.98)") for line in lines)
    assert "  cat predicted as dog: 8 images, 80.0 % of the class" in lines
    assert "  errors with confidence above 0.9: 8 of 8" in lines
    assert "Change from dense" in lines
    assert "  7 images right before and wrong now, 0 the reverse" in lines
    assert "  cat predicted as dog: 1 before, 8 images now" in lines
    # 2 / 2^7, and twice that after the correction for two classes.
    [row] = [line for line in lines if line.startswith("  cat") and "-70.0" in line]
    assert row.endswith("0.031 *")


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("both", [False, True])
def test_a_report_fits_a_terminal(classes, both):
    dense = random_predictions(images=3000, classes=classes)
    text = report(dense, related_predictions(dense, noise=0.5) if both else None, **(REST if both else {}))
    assert len(text.splitlines()) < 80
    assert max(map(len, text.splitlines())) <= 100
    assert ("who paid" in text) == both
    assert ("the 10 worst of" in text) == (classes == 1000)


def test_layers_and_robustness_are_written():
    dense = random_predictions(images=100, classes=2)
    lines = report(dense, dense, **REST).splitlines()
    assert any(line.split() == ["features.0", "10.0", "dB"] for line in lines)
    assert "  noise      1: 90.0 / 80.0   2: 90.0 / 80.0   3: 90.0 / 80.0   (dense / compressed)" in lines
    assert "  Both models are right on exactly the same images." in lines


def test_a_perfect_model_has_no_errors():
    text = report(exact_predictions([0, 1], [0, 1], names=["a\nb\x1b[31m", "c" * 90]))
    assert "  no test image is misclassified" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100


def test_classes_without_images_and_groups():
    names = name_classes(10)
    text = report(exact_predictions([3, 5, 8], [5, 5, 3], names=names))
    assert "  7 of 10 classes have no test image" in text
    assert "  of 2 errors: 50.0 % within a group, 50.0 % between groups" in text
    assert "  groups: animals, vehicles" in text

import json

import numpy as np
import pytest
from runs import ROOT
from sample_predictions import CIFAR10, exact_predictions, random_predictions, related_predictions

from compression.analysis.failure_modes import combine_failure_modes, describe_change, describe_failures
from compression.analysis.predictions import Predictions


def plain(value):
    """Return the value after writing and reading it as JSON without NaN."""
    return json.loads(json.dumps(value, allow_nan=False))


def test_a_model_by_hand():
    # cat: 2 of 3 right, one is a dog; dog: 1 of 1; emu: no image.
    made = exact_predictions([0, 0, 0, 1], [0, 0, 1, 1], confidence=[0.95, 0.8, 0.95, 0.6], names=["cat", "dog", "emu"])
    found = plain(describe_failures(made, groups={"pets": ["cat", "dog"]}))
    assert found["test_images"] == 4
    assert found["not_finite"] == 0
    assert found["accuracy"]["value"] == 0.75
    assert found["balanced_accuracy"]["value"] == pytest.approx(5 / 6)
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert (found["best_class"]["name"], found["worst_class"]["name"]) == ("dog", "cat")
    assert found["classes"][2] == {
        "name": "emu",
        "images": 0,
        "recall": None,
        "low": None,
        "high": None,
        "precision": None,
        "f1": None,
    }
    assert found["classes"][1]["precision"] == 0.5
    assert found["confusion_matrix"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["top_confusions"] == [{"true": "cat", "predicted": "dog", "count": 1, "share": pytest.approx(1 / 3)}]
    assert found["groups"] == {
        "within": 1.0,
        "between": 0.0,
        "outside": 0.0,
        "errors": 1,
        "members": {"pets": ["cat", "dog"]},
    }
    confidence = found["confidence"]
    assert confidence["right"] == pytest.approx((0.95 + 0.8 + 0.6) / 3)
    assert confidence["wrong"] == pytest.approx(0.95)
    assert (confidence["errors"], confidence["errors_above_0.9"]) == (1, 1)
    assert (confidence["temperature"], confidence["ece_scaled"], confidence["bins_scaled"]) == (None, None, None)
    assert sum(confidence["histogram"]["right"]) == 3
    assert sum(confidence["histogram"]["wrong"]) == 1


def test_held_out_images_give_a_temperature():
    made, held_out = (random_predictions(images=400, classes=10, seed=seed) for seed in (0, 1))
    sharp = Predictions(4 * made.logits, made.labels, made.class_names)
    sharp_held_out = Predictions(4 * held_out.logits, held_out.labels, held_out.class_names)
    found = plain(describe_failures(sharp, held_out=sharp_held_out))["confidence"]
    assert found["temperature"] > 2
    assert found["temperature_at_limit"] is False
    assert found["ece_scaled"] < found["ece"]
    assert sum(one["images"] for one in found["bins_scaled"]) == 400


def test_a_perfect_model_has_no_errors():
    made = exact_predictions([0, 1], [0, 1], confidence=0.9999, names=["a", "b"])
    found = plain(describe_failures(made, groups={"x": ["a"]}, held_out=made))
    assert found["top_confusions"] == []
    assert found["groups"] is None
    assert found["confidence"]["wrong"] is None
    assert found["confidence"]["temperature_at_limit"] is True
    assert found["accuracy"]["high"] == pytest.approx(1)


def test_a_model_that_is_always_wrong():
    found = plain(describe_failures(exact_predictions([0, 0], [1, 1], names="ab")))
    assert found["confidence"]["right"] is None
    assert found["macro_f1"] == 0
    assert found["balanced_accuracy"]["low"] == 0


def test_a_class_with_one_image():
    found = plain(describe_failures(exact_predictions([0, 1, 1], [0, 1, 1], names="ab")))
    assert found["classes"][0]["recall"] == 1
    # One hit of one image says little.
    assert found["classes"][0]["low"] == pytest.approx(1 / (1 + 3.841459), abs=1e-5)


@pytest.mark.parametrize("value", [7.0, np.nan, np.inf])
def test_a_collapsed_model(value):
    made = Predictions(np.full((6, 3), value, np.float32), np.array([0, 1, 2] * 2), ("a", "b", "c"))
    found = plain(describe_failures(made, held_out=made))
    assert found["not_finite"] == (0 if value == 7.0 else 6)
    assert found["accuracy"]["value"] == pytest.approx(1 / 3)
    assert found["confidence"]["right"] == pytest.approx(1 / 3)
    assert found["confidence"]["temperature"] == 1


def test_a_change_by_hand():
    labels = [3, 3, 5, 8]
    dense = exact_predictions(labels, [3, 3, 5, 9], names=CIFAR10)
    compressed = exact_predictions(labels, [5, 3, 5, 8], names=CIFAR10)
    found = plain(describe_change(dense, compressed))
    assert (found["worsened"], found["improved"], found["p_value"]) == (1, 1, 1.0)
    assert found["accuracy"]["value"] == 0
    assert [(row["name"], row["change"]) for row in found["classes"]] == [("cat", -0.5), ("dog", 0.0), ("ship", 1.0)]
    assert found["confusions"] == [
        {"true": "cat", "predicted": "dog", "dense": 0, "compressed": 1},
        {"true": "ship", "predicted": "truck", "dense": 1, "compressed": 0},
    ]
    assert found["groups"]["within"] == {"dense": 1, "compressed": 1}
    assert found["verdict"].startswith("The number of correct images is the same")


def test_a_thousand_classes():
    dense = random_predictions(images=2000, classes=1000, skill=6)
    compressed = related_predictions(dense, noise=0.5)
    found = plain(describe_failures(compressed))
    assert found["confusion_matrix"] is None
    assert len(found["classes"]) == 1000
    assert len(found["top_confusions"]) == 10
    tested = [row["recall"] for row in found["classes"] if row["recall"] is not None]
    assert found["balanced_accuracy"]["value"] == pytest.approx(np.mean(tested))
    assert len(describe_change(dense, compressed)["classes"]) == len(tested)


def test_every_key_is_on_the_page():
    dense = random_predictions(images=300, classes=10)
    models = {"dense": describe_failures(dense, held_out=dense), "compressed": describe_failures(dense)}
    document = combine_failure_modes(
        CIFAR10,
        models=models,
        change=describe_change(dense, related_predictions(dense, noise=1.0)),
        layers=[{"name": "fc", "snr_db": 20.0}],
    )
    page = (ROOT / "docs" / "failure_analysis.md").read_text()
    assert sorted(key for key in keys(plain(document)) if key not in page) == []


def keys(value, *, by_data=("members",)):
    if isinstance(value, list):
        return {key for one in value for key in keys(one)}
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys(one) for key, one in value.items() if key not in by_data))

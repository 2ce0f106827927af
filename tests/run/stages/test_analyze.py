"""The analyze stage reads the predictions of the evaluation; with analysis=full it also runs the models."""

import json

import pytest
from PIL import Image
from runs import WIDE, run_here
from safetensors.torch import load_file
from teachers import STUDENT

from compression.reporting.write_failures import TITLES

PRUNED = "strategy=oneshot_l1 sparsity=0.8 strategy.recovery.epochs=0 runtime.engines=[eager]"


def record_of(made):
    return json.loads((made.path / "failure_modes.json").read_text())


def test_an_evaluation_keeps_the_logits_that_its_accuracy_comes_from(shared):
    made = shared(f"{PRUNED} bits=8")["evaluate"]
    kept = load_file(made.path / "predictions.safetensors")
    assert {name: tuple(one.shape) for name, one in kept.items()} == {
        **dict.fromkeys(("dense", "compressed"), (360, 10)),
        **dict.fromkeys(("val_dense", "val_compressed"), (144, 10)),
        "labels": (360,),
        "val_labels": (144,),
    }
    for name in ("dense", "compressed"):
        accuracy = (kept[name].argmax(1) == kept["labels"]).float().mean().item()
        assert accuracy == pytest.approx(made.results[name]["accuracy"], abs=1e-6)
    # The logits of the compressed model are those of the executed file, not of its simulation.
    assert made.results["parity"]["accuracy_executed"] == made.results["compressed"]["accuracy"]


def test_basic_describes_both_models_and_draws_all_pictures(shared):
    stages = shared(PRUNED)
    made, evaluated = stages["analyze"], stages["evaluate"].results
    assert {path.name for path in made.path.glob("*.png")} == set(TITLES)
    record = record_of(made)
    assert record["class_names"] == [str(digit) for digit in range(10)]
    assert (record["layers"], record["robustness"]) == (None, None)
    for name in ("dense", "compressed"):
        model = record["models"][name]
        assert model["accuracy"]["value"] == pytest.approx(evaluated[name]["accuracy"])
        recalls = {row["name"]: row["recall"] for row in model["classes"]}
        assert recalls == pytest.approx(evaluated[name]["accuracy_per_class"])
        assert model["confidence"]["temperature"] is not None
    assert made.results["summary"]["change"]["verdict"] == record["change"]["verdict"]
    with Image.open(made.path / "misclassified_examples.png") as picture:
        assert picture.size[0] > 300


def test_full_adds_damaged_images_and_layers(shared):
    record = record_of(shared(f"{PRUNED} bits=8 analysis=full")["analyze"])
    assert set(record["robustness"]) == {"noise", "blur", "contrast", "jpeg"}
    noise = record["robustness"]["noise"]
    assert set(noise["1"]) == {"dense", "compressed"}
    assert noise["3"]["dense"] <= noise["1"]["dense"] + 0.02
    assert {row["name"] for row in record["layers"]} == {"features.0", "features.3", "classifier"}
    errors = [row["snr_db"] for row in record["layers"]]
    assert errors == sorted(errors)
    assert 0 < min(errors) < 60


def test_removed_channels_are_named(shared):
    command = "strategy=oneshot_structured_l2 sparsity=0.5 strategy.recovery.epochs=0 runtime.engines=[eager]"
    layers = {row["name"]: row for row in record_of(shared(f"{command} analysis=full")["analyze"])["layers"]}
    assert layers["features.0"]["snr_db"] is None
    assert layers["features.0"]["reason"].endswith("32x8x8 in the dense network")
    assert layers["classifier"]["snr_db"] is not None


@pytest.mark.slow
def test_a_student_has_no_layers_to_compare(shared):
    command = f"distillation=logit {STUDENT} distillation.epochs=1 strategy=none runtime.engines=[eager] analysis=full"
    record = record_of(shared(command)["analyze"])
    assert record["layers"] is None
    assert record["robustness"] is not None


def test_another_analysis_makes_only_the_analysis_again(outputs, finished):
    command = (*WIDE, *PRUNED.split())
    for settings in (["until=evaluate"], ["analysis=none"], [], ["data.class_groups={low: ['0', '1']}"]):
        run_here(*command, *settings, run_dir=outputs / "run", output_dir=outputs)
    assert len(finished("evaluate")) == 1
    plain, grouped = sorted(finished("analyze"), key=lambda made: "low" in made.record["key"]["inputs"]["class_groups"])
    assert plain.record["key"]["inputs"] == {"analysis": "basic", "class_groups": {}}
    assert record_of(grouped)["models"]["dense"]["groups"]["members"] == {"low": ["0", "1"]}
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    assert metrics["failure_modes"] == grouped.results["summary"]
    assert metrics["run"]["class_groups"] == {"low": ["0", "1"]}
    report = (outputs / "run" / "report.md").read_text()
    assert "## Failure modes" in report
    assert "[confusion matrix](failure_analysis/confusion_matrix.png)" in report
    assert (outputs / "run" / "failure_analysis" / "confusion_matrix.png").is_file()
    assert "95 % interval" in report

"""A teacher in the stages of a run: a student of another architecture, pruning's recovery, fine-tuning."""

import json

import pytest
import torch
from runs import WIDE, run_here
from teachers import STUDENT, write_teacher
from tiny_net import TinyNet
from trained_store import same, weights_of

import compression
from compression.core.counting import count_layer_weights, count_parameters, layer_sparsity
from compression.core.masks import MaskSet

WHOLE = "runtime.engines=[eager] storage.fold_bn=false"
ONCE = "strategy=oneshot_l1 sparsity=0.5"


def test_dense_then_distil_then_prune_in_one_command(outputs, finished):
    steps = "strategy=iterative_structured_l2 strategy.schedule.steps=2 strategy.finetune.epochs=1"
    command = f"distillation=logit {STUDENT} {steps} {WHOLE} distillation.epochs=2"
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    [dense], [distilled], [pruned], [compacted], [tuned] = (
        finished(stage) for stage in ("dense", "distil", "prune", "compact", "finetune")
    )
    # The student was trained from its own initial weights, and every later stage worked on the student.
    assert weights_of(dense)["features.0.weight"].shape == (32, 3, 3, 3)
    for name in ("model", "initial", "early"):
        assert weights_of(distilled, f"{name}")["features.0.weight"].shape == (16, 3, 3, 3)
    assert len(distilled.results["history"]) == 2
    assert MaskSet(weights_of(pruned, "masks")).hold(weights_of(pruned))
    for made in (distilled, pruned, tuned):
        assert all("train/distillation_loss" in row for row in made.results["history"])
    assert "train/distillation_loss" not in dense.results["history"][0]
    assert compacted.results["compacted"]

    model = compression.load(outputs / "run" / "model.cmp", allow=["tiny_net"])
    assert same(model.state_dict(), weights_of(tuned))
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    assert metrics["run"]["distillation"] == {
        "name": "logit",
        "alpha": 0.9,
        "temperature": 4.0,
        "teacher": "dense",
        "feature": None,
        "student": {
            "model": "tiny_net.TinyNet",
            "model_settings": {"width": 16},
            "epochs": 2,
            "inherit_weights": False,
        },
    }
    assert list(metrics["run"]["val_accuracy"]) == ["dense", "distil", "prune", "compact", "finetune", "export"]
    # Results are compared with the dense model, except sparsity, which counts the student's own weights.
    whole = TinyNet(num_classes=10, width=16)
    assert metrics["dense"]["parameters"] == count_parameters(TinyNet(num_classes=10, width=32))
    assert metrics["compressed"]["parameters"] == count_parameters(model) < count_parameters(whole)
    assert metrics["compressed"]["layer_sparsity"] == layer_sparsity(model, count_layer_weights(whole))
    assert metrics["dense"]["sparsity"] == 0
    assert "## Distillation" in (outputs / "run" / "report.md").read_text()
    assert {path.stem for path in (outputs / "run" / "pictures").iterdir()} >= {"first_filters", "weight_histograms"}

    marks = {path: path.stat().st_mtime_ns for path in (outputs / "store").glob("*/stage.json")}
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    assert {path: path.stat().st_mtime_ns for path in (outputs / "store").glob("*/stage.json")} == marks


@pytest.mark.slow
def test_dense_then_distil_then_prune_then_quantize_in_one_command(outputs, finished):
    quantized = "quantization=qat bits=8 quantization.training.epochs=1 runtime.engines=[eager]"
    command = f"distillation=logit {STUDENT} {ONCE} {quantized}"
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    [made], [pruned] = finished("quantize"), finished("prune")
    assert all("train/distillation_loss" in row for row in made.results["history"])
    assert made.record["key"]["inputs"]["distillation"] == pruned.record["key"]["inputs"]["distillation"]
    model = compression.load(outputs / "run" / "model.cmp", allow=["tiny_net"])
    assert model.features.get_submodule("0").weight.dtype == torch.int8
    assert model.features.get_submodule("0").weight.shape == (16, 3, 3, 3)
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    stages = ["dense", "distil", "prune", "quantize", "export"]
    assert [stage for stage in metrics["run"]["val_accuracy"] if stage != "compact"] == stages
    assert metrics["compressed"]["sparsity"] >= 0.5


@pytest.mark.parametrize("kind", ["attention", pytest.param("hint", marks=pytest.mark.slow)])
def test_features_are_distilled_in_quantization_aware_training(shared, kind):
    settings = "strategy=none quantization=qat bits=8 quantization.training.epochs=1"
    made = shared(f"{settings} distillation=feature distillation.feature.kind={kind} until=quantize")["quantize"]
    assert all("train/feature_loss" in row for row in made.results["history"])


def test_post_training_quantization_has_no_teacher(shared):
    made = shared(f"{ONCE} quantization=ptq bits=8 distillation=logit until=quantize")["quantize"]
    assert "distillation" not in made.record["key"]["inputs"]


@pytest.mark.slow
def test_an_unpruned_student_is_the_compressed_model(outputs, finished):
    command = f"distillation=feature {STUDENT} strategy=none {WHOLE}"
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    [distilled] = finished("distil")
    model = compression.load(outputs / "run" / "model.cmp", allow=["tiny_net"])
    assert same(model.state_dict(), weights_of(distilled))
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    assert metrics["run"]["distillation"]["feature"]["kind"] == "attention"
    assert metrics["compressed"]["sparsity"] == 0
    assert metrics["improvement"]["compression_ratio"] > 2


def test_a_teacher_changes_the_recovery_and_its_stage_key(shared):
    plain = shared(f"{ONCE} until=prune")["prune"]
    stages = shared(f"{ONCE} distillation=logit until=prune")
    taught = stages["prune"]
    assert "distillation" not in plain.record["key"]["inputs"]
    assert taught.record["key"]["inputs"]["distillation"]["teacher"] == {"dense": stages["dense"].path.name[6:]}
    assert taught.record["key"]["inputs"].keys() - plain.record["key"]["inputs"].keys() == {"distillation"}
    assert not same(weights_of(plain), weights_of(taught))
    assert MaskSet(weights_of(taught, "masks")).hold(weights_of(taught))
    # The names of the weights do not depend on the distillation.
    assert weights_of(plain).keys() == weights_of(taught).keys()


@pytest.mark.parametrize("kind", ["attention", pytest.param("hint", marks=pytest.mark.slow)])
def test_pruned_weights_stay_zero_in_feature_distillation(shared, kind):
    made = shared(f"{ONCE} distillation=feature distillation.feature.kind={kind} until=prune")["prune"]
    assert MaskSet(weights_of(made, "masks")).hold(weights_of(made))
    assert all("train/feature_loss" in row for row in made.results["history"])
    assert made.record["key"]["inputs"]["distillation"]["feature"]["weight"] > 0


@pytest.mark.parametrize(
    "kind", ["artifact", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("state", "checkpoint"))]
)
def test_a_given_teacher_equals_the_same_dense_model(make, shared, tmp_path, kind):
    stages = shared(f"{ONCE} distillation=logit until=prune")
    dense = stages["dense"]
    if kind == "artifact":
        path = write_teacher(dense, tmp_path / "teacher.cmp")
    elif kind == "state":
        path = tmp_path / "teacher.safetensors"
        path.write_bytes((dense.path / "model.safetensors").read_bytes())
    else:
        path = tmp_path / "teacher.ckpt"
        named = {f"net.{name}": value for name, value in weights_of(dense).items()}
        torch.save({"state_dict": named, "epoch": 3}, path)
    made = make("prune", f"{ONCE} distillation=logit distillation.teacher={path}")
    assert same(weights_of(made), weights_of(stages["prune"]))


def test_strategies_return_to_the_students_early_weights(shared):
    command = (
        f"distillation=logit {STUDENT} {ONCE} strategy.start=early strategy.recovery.epochs=0 distillation.epochs=2"
    )
    stages = shared(f"{command} until=prune")
    made, distilled = stages["prune"], stages["distil"]
    masks, early = MaskSet(weights_of(made, "masks")), weights_of(distilled, "early")
    assert not same(early, weights_of(distilled))
    for name, mask in masks.items():
        assert torch.equal(weights_of(made)[name], early[name] * mask)


@pytest.mark.slow
def test_the_accuracy_drop_is_measured_against_the_student(shared):
    steep = "strategy=oneshot_random sparsity=0.97 strategy.recovery.lr_factor=0.01 strategy.max_accuracy_drop=0"
    made = shared(f"distillation=logit {STUDENT} {steep} until=prune")["prune"]
    assert made.results["stopped"].endswith("points below the student; kept the student")

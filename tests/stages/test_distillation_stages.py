"""A teacher in the stages of a run: a student of another architecture, pruning's recovery, fine-tuning."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from runs import WIDE, compose_config, run_here
from safetensors.torch import load_file
from tiny_net import TinyNet
from training_parts import KillAt, KilledError

import compression
from compression.artifact import save_artifact
from compression.callbacks.distillation import DistillationCallback
from compression.core.counting import count_layer_weights, count_parameters, layer_sparsity
from compression.core.masks import MaskSet
from compression.data.digits import Digits
from compression.pipeline import make_context
from compression.stages.distillation import distillation_identity

STUDENT = "distillation/student=custom distillation.student._target_=tiny_net.TinyNet +distillation.student.width=16"
WHOLE = "runtime.engines=[eager] storage.fold_bn=false"
ONCE = "strategy=oneshot_l1 sparsity=0.5"


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def weights_of(made, name="model.safetensors"):
    return load_file(made.path / name)


def test_a_student_begins_with_its_teachers_first_channels(outputs, finished):
    command = f"distillation=logit {STUDENT} distillation.inherit_weights=true strategy=none until=distil"
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    [dense], [distilled] = finished("dense"), finished("distil")
    whole, start = weights_of(dense), weights_of(distilled, "initial.safetensors")
    assert start["features.0.weight"].shape == (16, 3, 3, 3)
    for name, value in start.items():
        assert torch.equal(value, whole[name][tuple(slice(size) for size in value.shape)]), name


def write_teacher(dense, path, *, width=32):
    """Write the trained dense model as an artifact."""
    digits, net = Digits().load(42), TinyNet(num_classes=10, width=width)
    net.load_state_dict(weights_of(dense))
    save_artifact(
        path,
        net,
        architecture={"target": "tiny_net.TinyNet", "kwargs": {"width": width}, "num_classes": 10},
        class_names=digits.class_names,
        input={"size": digits.image_size, "mean": digits.mean, "std": digits.std},
    )
    return path


def test_dense_then_distil_then_prune_in_one_command(outputs, finished):
    steps = "strategy=iterative_structured_l2 strategy.schedule.steps=2 strategy.finetune.epochs=1"
    command = f"distillation=logit {STUDENT} {steps} {WHOLE} distillation.epochs=2"
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    [dense], [distilled], [pruned], [compacted], [tuned] = (
        finished(stage) for stage in ("dense", "distil", "prune", "compact", "finetune")
    )
    # The student was trained from its own beginning, and went on through every stage behind.
    assert weights_of(dense)["features.0.weight"].shape == (32, 3, 3, 3)
    for name in ("model", "initial", "early"):
        assert weights_of(distilled, f"{name}.safetensors")["features.0.weight"].shape == (16, 3, 3, 3)
    assert len(distilled.results["history"]) == 2
    assert MaskSet(weights_of(pruned, "masks.safetensors")).hold(weights_of(pruned))
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
    # Everything against the dense model, but sparsity: that is of the student's own weights.
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


@pytest.mark.parametrize("kind", ["attention", "hint"])
def test_training_with_rounding_is_taught_features(make, kind):
    settings = "strategy=none quantization=qat bits=8 quantization.training.epochs=1"
    made = make("quantize", f"{settings} distillation=feature distillation.feature.kind={kind}")
    assert all("train/feature_loss" in row for row in made.results["history"])


def test_rounding_without_training_has_no_teacher(make):
    made = make("quantize", f"{ONCE} strategy.recovery.min_updates=0 quantization=ptq bits=8 distillation=logit")
    assert "distillation" not in made.record["key"]["inputs"]


def test_a_student_alone_is_a_compressed_model(outputs, finished):
    command = f"distillation=feature {STUDENT} strategy=none {WHOLE}"
    run_here(*WIDE, *command.split(), run_dir=outputs / "run", output_dir=outputs)
    [distilled] = finished("distil")
    model = compression.load(outputs / "run" / "model.cmp", allow=["tiny_net"])
    assert same(model.state_dict(), weights_of(distilled))
    metrics = json.loads((outputs / "run" / "metrics.json").read_text())
    assert metrics["run"]["distillation"]["feature"]["kind"] == "attention"
    assert metrics["compressed"]["sparsity"] == 0
    assert metrics["improvement"]["compression_ratio"] > 2


def test_recovery_with_a_teacher(make, finished):
    plain, taught = make("prune", ONCE), make("prune", f"{ONCE} distillation=logit")
    assert "distillation" not in plain.record["key"]["inputs"]
    assert taught.record["key"]["inputs"]["distillation"]["teacher"] == {"dense": finished("dense")[0].path.name[6:]}
    assert taught.record["key"]["inputs"].keys() - plain.record["key"]["inputs"].keys() == {"distillation"}
    assert not same(weights_of(plain), weights_of(taught))
    assert MaskSet(weights_of(taught, "masks.safetensors")).hold(weights_of(taught))
    # Nothing of the way of teaching is in the weights' names.
    assert weights_of(plain).keys() == weights_of(taught).keys()


@pytest.mark.parametrize("kind", ["attention", "hint"])
def test_masks_hold_where_features_are_taught(make, kind):
    made = make("prune", f"{ONCE} distillation=feature distillation.feature.kind={kind}")
    assert MaskSet(weights_of(made, "masks.safetensors")).hold(weights_of(made))
    assert all("train/feature_loss" in row for row in made.results["history"])
    assert made.record["key"]["inputs"]["distillation"]["feature"]["weight"] > 0


def test_every_setting_makes_another_stage(tmp_path):
    settings = [
        "distillation=logit",
        "distillation=logit distillation.alpha=0.5",
        "distillation=logit distillation.temperature=2",
        "distillation=feature",
        "distillation=feature distillation.feature.weight=1",
        "distillation=feature distillation.feature.kind=hint",
    ]

    def identity(command, dense_id="a"):
        context = make_context(compose_config(*WIDE, f"output_dir={tmp_path}", *command.split()), tmp_path)
        return json.dumps(distillation_identity(context, SimpleNamespace(id=dense_id)), sort_keys=True)

    assert identity("") == "{}"
    assert len({identity(command) for command in settings}) == len(settings)
    assert identity("distillation=logit", "b") != identity("distillation=logit")
    # Written out or left to the kind, a weight is the same.
    assert identity("distillation=feature distillation.feature.weight=1000") == identity("distillation=feature")


def test_a_given_teacher_is_the_dense_model_where_it_is_the_same(make, finished, tmp_path):
    [dense] = finished("dense")
    artifact = write_teacher(dense, tmp_path / "teacher.cmp")
    state = tmp_path / "teacher.safetensors"
    state.write_bytes((dense.path / "model.safetensors").read_bytes())
    checkpoint = tmp_path / "teacher.ckpt"
    named = {f"net.{name}": value for name, value in weights_of(dense).items()}
    torch.save({"state_dict": named, "epoch": 3}, checkpoint)
    made = [make("prune", f"{ONCE} distillation=logit")]
    made += [make("prune", f"{ONCE} distillation=logit distillation.teacher={path}") for path in (artifact, state)]
    made += [make("prune", f"{ONCE} distillation=logit distillation.teacher={checkpoint}")]
    assert all(same(weights_of(other), weights_of(made[0])) for other in made[1:])


def test_it_is_the_teachers_content_that_counts(make, finished, tmp_path, outputs):
    teacher = write_teacher(finished("dense")[0], tmp_path / "teacher.cmp")
    command = f"distillation=logit {STUDENT} distillation.teacher="
    made = make("distil", f"{command}{teacher}")
    moved = teacher.rename(tmp_path / "moved.cmp")
    run_here(*WIDE, *f"{command}{moved} until=distil".split(), run_dir=outputs / "run", output_dir=outputs)
    assert [found.path for found in finished("distil")] == [made.path]
    # The dense model has no part in it.
    assert made.record["key"]["parents"] == []


def test_strategies_go_back_to_the_students_early_weights(make, finished):
    made = make("prune", f"distillation=logit {STUDENT} {ONCE} strategy.start=early strategy.recovery.epochs=0")
    [distilled] = finished("distil")
    masks, early = MaskSet(weights_of(made, "masks.safetensors")), weights_of(distilled, "early.safetensors")
    assert not same(early, weights_of(distilled))
    for name, mask in masks.items():
        assert torch.equal(weights_of(made)[name], early[name] * mask)


def test_a_drop_is_told_against_the_student(make):
    steep = "strategy=oneshot_random sparsity=0.97 strategy.recovery.lr_factor=0.01 strategy.max_accuracy_drop=0"
    made = make("prune", f"distillation=logit {STUDENT} {steep}")
    assert made.results["stopped"].endswith("points below the student; kept the student")


def test_a_killed_student_goes_on_as_if_nothing_had_been(make, monkeypatch, tmp_path):
    command = f"distillation=feature distillation.feature.kind=hint {STUDENT}"
    whole = make("distil", command)
    with monkeypatch.context() as patch:
        kill = KillAt(1, 2)
        patch.setattr(DistillationCallback, "on_train_batch_start", lambda _, *args: kill.on_train_batch_start(*args))
        with pytest.raises(KilledError):
            make("distil", command, folder=tmp_path / "killed")
    assert list((tmp_path / "killed" / "store").glob("distil-*.partial/resume/last.ckpt"))
    again = make("distil", command, folder=tmp_path / "killed")
    assert again.path.name == whole.path.name
    for name in ("model.safetensors", "early.safetensors", "initial.safetensors"):
        assert (again.path / name).read_bytes() == (whole.path / name).read_bytes()
    assert again.results == whole.results


def test_the_students_side_of_a_run_shares_its_data(tmp_path):
    command = f"distillation=logit {STUDENT} output_dir={tmp_path}"
    context = make_context(compose_config(*WIDE, *command.split()), Path(tmp_path))
    student = context.student
    assert student is not context
    assert student.student is student
    assert (student.dense, context.dense) == (context, context)
    assert student.data is context.data
    assert student.train_batches().split is context.train_batches().split
    assert student.data_identity == context.data_identity
    assert student.architecture["kwargs"] == {"width": 16}
    assert context.architecture["kwargs"] == {"width": 32}
    plain = make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), Path(tmp_path))
    assert plain.student is plain

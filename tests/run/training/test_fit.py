"""Training of a stage: a resumed training gives the same result as an undisturbed one."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from runs import TINY, compose_config

from compression.core.errors import InputError
from compression.run.context import make_context
from compression.run.training.fit import fit
from compression.run.training.task import make_task
from compression.run.workspace import quiet_libraries

RARE = ("training.loss=focal", "training.class_weights={3: 5}", "training.monitor=balanced_accuracy")


@pytest.fixture
def train(tmp_path, request):
    """Function that trains in a stage's folder for ``num_epochs``; a parameter gives further overrides."""
    overrides = getattr(request, "param", ())
    context = make_context(compose_config(*TINY, *overrides, f"output_dir={tmp_path}"), tmp_path / "run")

    def run(folder, num_epochs):
        quiet_libraries()
        task = make_task(context, context.build_model(), lambda _: 1.0)
        return fit(context, "dense", tmp_path / folder, task, num_epochs=num_epochs)

    return run


@pytest.mark.parametrize("train", [(*RARE, "data.sampling=balanced")], indirect=True)
def test_a_training_that_counts_rare_classes_resumes_exactly(train):
    train("stopped", 1)
    resumed, whole = train("stopped", 2), train("whole", 2)
    assert resumed.rows == whole.rows
    assert resumed.validated == whole.validated
    assert all(torch.equal(value, whole.weights[name]) for name, value in resumed.weights.items())
    scores = [row["val/balanced_accuracy"] for row in whole.rows]
    assert whole.validated.score == max(scores)
    assert whole.validated.accuracy == whole.rows[whole.best_epoch - 1]["val/accuracy"]


@pytest.mark.parametrize("train", [("data.sampling=balanced",), RARE], indirect=True)
def test_each_way_to_count_rare_classes_changes_the_training(train, tmp_path):
    quiet_libraries()
    plain = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path / "run")
    usual = fit(plain, "dense", tmp_path / "usual", make_task(plain, plain.build_model(), lambda _: 1.0), num_epochs=1)
    changed = train("changed", 1)
    assert any(not torch.equal(value, changed.weights[name]) for name, value in usual.weights.items())


def test_training_resumes_exactly_from_its_last_checkpoint(train, tmp_path):
    first = train("stopped", 1)
    assert [path.name for path in (tmp_path / "stopped" / "resume").iterdir()] == ["last.ckpt"]
    resumed, whole = train("stopped", 2), train("whole", 2)
    assert [row["epoch"] for row in resumed.rows] == [1, 2]
    assert resumed.rows[0] == first.rows[0]
    assert resumed.rows == whole.rows
    assert resumed.validated.accuracy == max(row["val/accuracy"] for row in whole.rows)
    assert resumed.rows[resumed.best_epoch - 1]["val/accuracy"] == resumed.validated.accuracy
    assert all(torch.equal(value, whole.weights[name]) for name, value in resumed.weights.items())
    # The seconds of an earlier attempt count. The undisturbed training had no earlier attempt.
    assert resumed.earlier_seconds > 0
    assert whole.earlier_seconds == 0


def test_nothing_is_trained_without_room_for_a_checkpoint(train, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1 << 20))
    with pytest.raises(InputError, match=r"^too little room in .*: 1.00 MiB free, stage dense needs 16.0\d MiB; fin"):
        train("stage", 1)
    assert not (tmp_path / "stage").exists()


def test_new_memory_is_not_filled_and_the_result_does_not_depend_on_it(train, monkeypatch):
    ours = train("ours", 1)
    assert not torch.utils.deterministic.fill_uninitialized_memory
    monkeypatch.setattr(torch.utils, "deterministic", SimpleNamespace(fill_uninitialized_memory=False))
    torch._C._set_deterministic_fill_uninitialized_memory(True)
    filled = train("filled", 1)
    torch._C._set_deterministic_fill_uninitialized_memory(False)
    assert all(torch.equal(value, filled.weights[name]) for name, value in ours.weights.items())


@pytest.mark.parametrize("train", [("training.optimizer.lr=1e30", "training.gradient_clip=null")], indirect=True)
def test_a_training_that_diverges_is_one_line(train):
    with pytest.raises(InputError, match=r"dense: training has diverged, its weights are not finite: try a lower"):
        train("dense", 1)

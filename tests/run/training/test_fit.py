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


@pytest.fixture
def train(tmp_path):
    """Function that trains in a stage's folder for ``num_epochs``."""
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path / "run")

    def run(folder, num_epochs):
        quiet_libraries()
        task = make_task(context, context.build_model(), lambda _: 1.0)
        return fit(context, "dense", tmp_path / folder, task, num_epochs=num_epochs)

    return run


def test_training_resumes_exactly_from_its_last_checkpoint(train, tmp_path):
    first = train("stopped", 1)
    assert [path.name for path in (tmp_path / "stopped" / "resume").iterdir()] == ["last.ckpt"]
    resumed, whole = train("stopped", 2), train("whole", 2)
    assert [row["epoch"] for row in resumed.rows] == [1, 2]
    assert resumed.rows[0] == first.rows[0]
    assert resumed.rows == whole.rows
    assert resumed.val_accuracy == max(row["val/accuracy"] for row in whole.rows)
    assert resumed.rows[resumed.best_epoch - 1]["val/accuracy"] == resumed.val_accuracy
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

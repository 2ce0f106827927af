"""Trials on disk, with invented results: shared by processes, and left by killed ones."""

import json
import os
import signal
import subprocess
import sys

import pytest
from runs import ROOT
from wrong_values import with_wrong_values

from compression.core.errors import InputError
from compression.sweep.search import trials
from compression.sweep.search.space import Choices, Range
from compression.sweep.search.trials import Trials
from compression.system.processes import Process

pytest.importorskip("optuna")

SPACE = {
    "sparsity": Range(0.5, 0.95, step=0.05),
    "weight_bits": Choices((4, 6, 8)),
    "strategy.recovery.lr_factor": Range(0.05, 1.0, log=True),
}


def draw(folder, *, upto, seed=0):
    """Continue a search whose trials have invented results, and return the values drawn in this call."""
    folder.mkdir(exist_ok=True)
    trials, drawn = Trials(folder, space=SPACE, seed=seed), []
    while (trial := trials.take(most=upto)) is not None:
        sparsity, bits = trial.values["sparsity"], trial.values["weight_bits"]
        if bits == 6 and sparsity > 0.8:
            trials.fail(trial, job=f"j{trial.number}", reason="failed: why")
        else:
            trials.finish(trial, job=f"j{trial.number}", val_accuracy=1 - sparsity**4, num_bytes=round(99 * bits))
        drawn.append(dict(trial.values))
    return drawn


def test_a_stopped_search_draws_the_values_of_an_uninterrupted_one(tmp_path):
    uninterrupted = draw(tmp_path / "uninterrupted", upto=18)
    parts = [values for upto in (3, 11, 18) for values in draw(tmp_path / "parts", upto=upto)]
    assert len(uninterrupted) == 18
    assert parts == uninterrupted
    assert draw(tmp_path / "other", upto=3, seed=1) != uninterrupted[:3]


def test_a_trial_of_a_killed_process_is_taken_over(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    script = (
        "import os, pathlib, sys\n"
        "from compression.sweep.search.space import Choices, Range\n"
        "from compression.sweep.search.trials import Trials, require_optuna\n"
        "require_optuna()\n"
        f"trials = Trials(pathlib.Path(sys.argv[1]), space={SPACE!r}, seed=5)\n"
        "print(trials.take(most=9).values, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    here = Trials(folder, space=SPACE, seed=5)
    taken = here.take(most=1)
    assert taken is not None
    assert taken.number == 0
    assert str(dict(taken.values)) == done.stdout.strip()
    # This process holds the trial now, so no other can take it.
    assert Trials(folder, space=SPACE, seed=5).take(most=1) is None
    here.finish(taken, job="a", val_accuracy=0.5, num_bytes=7)
    assert here.count() == (1, 0)


def test_a_trial_of_another_machine_is_taken_over_when_its_sign_is_old(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "describe_process", lambda: Process(pid=1, begun=None, host="elsewhere"))
    assert Trials(tmp_path, space=SPACE, seed=5).take(most=9) is not None
    monkeypatch.undo()
    sign = tmp_path / ".open" / "elsewhere-1.json"
    sign.parent.mkdir()
    sign.touch()
    assert Trials(tmp_path, space=SPACE, seed=5).take(most=1) is None
    os.utime(sign, (1, 1))
    assert Trials(tmp_path, space=SPACE, seed=5).take(most=1).number == 0


def test_a_trial_that_another_process_took_over_and_finished_stays(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(trials, "describe_process", lambda: Process(pid=1, begun=None, host="elsewhere"))
    silent = Trials(tmp_path, space=SPACE, seed=5)
    mine = silent.take(most=9)
    monkeypatch.undo()
    other = Trials(tmp_path, space=SPACE, seed=5)
    other.finish(other.take(most=1), job="b", val_accuracy=0.75, num_bytes=9)
    with caplog.at_level("INFO"):
        silent.finish(mine, job="a", val_accuracy=0.5, num_bytes=7)
    assert "trial 0 was finished by another process" in caplog.text
    assert silent.count() == (1, 0)


def test_two_processes_share_the_trials(tmp_path):
    first, second = (Trials(tmp_path, space=SPACE, seed=0) for _ in range(2))
    one, two = first.take(most=3), second.take(most=3)
    assert one is not None
    assert two is not None
    assert (one.number, two.number) == (0, 1)
    assert one.values != two.values
    third = first.take(most=3)
    assert third is not None
    assert second.take(most=3) is None
    second.finish(two, job="b", val_accuracy=0.5, num_bytes=7)
    first.fail(one, job="a", reason="failed: why")
    assert first.count() == second.count() == (1, 1)


def test_any_damage_to_the_journal_is_an_error_when_it_is_opened(tmp_path):
    trials = Trials(tmp_path, space=SPACE, seed=0)
    trials.finish(trials.take(most=1), job="a", val_accuracy=0.5, num_bytes=7)
    path = tmp_path / "trials.log"
    lines = path.read_text().splitlines(keepends=True)
    [index] = [number for number, line in enumerate(lines) if '"values"' in line]
    messages = []
    for _, changed in with_wrong_values(json.loads(lines[index])):
        path.write_text("".join([*lines[:index], json.dumps(changed) + "\n", *lines[index + 1 :]]))
        try:
            trials = Trials(tmp_path, space=SPACE, seed=0)
            # A journal that can be read can be continued.
            trials.finish(trials.take(most=5), job="b", val_accuracy=0.5, num_bytes=7)
            trials.front()
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert all(message.startswith(f"{path}: cannot be read (") for message in messages)

"""Searches with trials that train nothing, and one real search."""

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from runs import ROOT, TINY

from compression.config.compose import compose_job
from compression.core.errors import InputError
from compression.sweep.jobs import Job, JobState, read_state, read_sweep
from compression.sweep.presence import is_open
from compression.sweep.search.space import Choices, Range
from compression.system.disk import DiskFullError

pytest.importorskip("optuna")
from compression.sweep.search import search_loop as search_module
from compression.sweep.search.search_loop import Search

SPACE = {
    "sparsity": Range(0.5, 0.95, step=0.05),
    "weight_bits": Choices((4, 6, 8)),
    "strategy.recovery.lr_factor": Range(0.05, 1.0, log=True),
}


# One key, because the check of each key takes time.
SPARSITY = {"sparsity": Range(0.5, 0.95, step=0.05)}
COMPOSED = {}


@pytest.fixture(autouse=True)
def composed_once(monkeypatch):
    """Compose each configuration only once, whatever folder its trials write to."""

    def compose(lines):
        key = tuple(line for line in lines if not line.startswith("output_dir="))
        if key not in COMPOSED:
            COMPOSED[key] = compose_job(lines)
        return COMPOSED[key]

    monkeypatch.setattr(search_module, "compose_job", compose)


def finish(job, folder, *, stages=None):
    """Write the files of a finished run. Fewer bytes mean less accuracy."""
    sparsity, bits = job.axes.get("sparsity", 0.5), job.axes.get("weight_bits", 8)
    accuracy = 1 - sparsity**4 - (0.1 if bits == 4 else 0)
    metrics = {
        "run": {"val_accuracy": {"dense": 1.0, "export": accuracy}, "stages": stages or {}},
        "compressed": {"accuracy": 0.123, "bytes": {"artifact": round(1000 * (1 - sparsity) * bits)}},
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    state = JobState(job.name, "finished", seconds=0.0, attempts=1)
    state.write(folder)
    return state


def plan_nothing(config, folder):
    del config, folder
    return {}


def make_search(tmp_path, *, run=finish, space=SPARSITY, seed=0, extra=()):
    lines = ["activation_bits=8", "name=mine", f"output_dir={tmp_path}", *extra]
    return Search(lines, space, seed=seed, plan=plan_nothing, run=run)


def test_the_front_is_on_disk_after_every_trial(tmp_path):
    seen = []

    def run(job, folder):
        path = folder.parent / "front.json"
        seen.append(json.loads(path.read_text())["trials"]["finished"] if path.exists() else 0)
        return finish(job, folder)

    search = make_search(tmp_path, run=run, space=SPACE)
    front = search.go_on(most=6)
    assert sorted(seen) == seen
    assert seen[-1] >= len(seen) - 1
    assert front == sorted(front, key=lambda point: point.num_bytes)
    accuracies = [point.val_accuracy for point in front]
    assert accuracies == sorted(accuracies)
    with (search.folder / "front.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["job"] for row in rows] == [point.job for point in front]
    assert list(rows[0]) == ["job", "val_accuracy", "bytes", *SPACE]
    document = json.loads((search.folder / "front.json").read_text())
    assert document["trials"] == {"wanted": 6, "finished": 6, "failed": 0}
    # The accuracy on the test set has no influence.
    assert 0.123 not in accuracies
    sweep = read_sweep(search.folder)
    assert len(sweep.jobs) == len({job.name for job in sweep.jobs}) <= 6
    assert all(read_state(search.folder / job.name).status == "finished" for job in sweep.jobs)
    assert set(sweep.axes) == set(SPACE)
    for point in front:
        assert all(isinstance(point.values[key], (int, float)) for key in SPACE)


def test_trials_of_one_digest_and_alike_in_name_all_run(tmp_path, monkeypatch):
    compose = search_module.compose_job

    def compose_alike(lines):
        config, identity = compose(lines)
        return config, f"abcdef{identity[6:]}"

    monkeypatch.setattr(search_module, "compose_job", compose_alike)
    # The name of a folder has no place for the sign that differs.
    search = make_search(tmp_path, space={"+data.label": Choices(("a b", "a-b"))})
    search.go_on(most=8)
    jobs = read_sweep(search.folder).jobs
    assert sorted(len(job.digest) for job in jobs) == [6, 12]
    assert len({job.identity for job in jobs}) == 2


def test_a_failed_trial_is_counted_and_does_not_stop_the_search(tmp_path):
    def run(job, folder):
        if job.axes["weight_bits"] != 6:
            return finish(job, folder)
        state = JobState(job.name, "failed", "no sixes")
        state.write(folder)
        return state

    search = make_search(tmp_path, run=run, space={"weight_bits": Choices((6, 8))})
    front = search.go_on(most=6)
    finished, failed = search.trials.count()
    assert finished + failed == 6
    assert failed > 0
    assert all(point.values["weight_bits"] != 6 for point in front)
    document = json.loads((search.folder / "front.json").read_text())
    assert document["trials"]["failed"] == failed


def test_a_configuration_that_breaks_a_rule_is_a_failed_trial(tmp_path, capsys):
    space = {"sparsity": Choices((0.0, 0.5)), "weight_bits": Choices((8,))}
    search = make_search(tmp_path, space=space)
    search.go_on(most=4)
    assert "contradicts strategy=iterative_l1" in capsys.readouterr().out
    states = [read_state(search.folder / job.name) for job in read_sweep(search.folder).jobs]
    assert sorted(state.status for state in states) == ["failed", "finished"]


def test_an_error_of_a_network_fails_only_its_trial(tmp_path, capsys):
    def plan(config, folder):
        del folder
        if config.weight_bits == 6:
            raise RuntimeError("sixes\nare odd")
        return {}

    search = make_search(tmp_path, space={"weight_bits": Choices((6, 8))})
    search.plan = plan
    search.go_on(most=6)
    finished, failed = search.trials.count()
    assert (finished + failed, failed > 0) == (6, True)
    assert "failed: RuntimeError: sixes\n" in capsys.readouterr().out
    [state] = [read_state(search.folder / job.name) for job in read_sweep(search.folder).jobs if "w6" in job.name]
    assert (state.status, state.reason) == ("failed", "RuntimeError: sixes")


@pytest.mark.parametrize("where", ["plan", "job"])
def test_a_full_disk_ends_the_search_and_leaves_the_trial_open(tmp_path, where):
    def plan(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def run(job, _):
        return JobState(job.name, "failed", "the disk is full: 0 bytes free in here")

    search = make_search(tmp_path, **({"run": run} if where == "job" else {}))
    search.plan = plan if where == "plan" else plan_nothing
    with pytest.raises(DiskFullError, match=r"the disk is full: .* free in"):
        search.go_on(most=2)
    assert search.trials.count() == (0, 0)


def test_a_killed_job_is_started_once_more(tmp_path):
    attempts = []

    def run(job, folder):
        attempts.append(job.name)
        return finish(job, folder) if len(attempts) > 1 else JobState(job.name, "killed", "killed by SIGKILL")

    make_search(tmp_path, run=run).go_on(most=1)
    assert len(attempts) == 2


def test_a_finished_job_is_not_run_again(tmp_path, monkeypatch):
    job = Job("a-1", (), {"sparsity": 0.5, "weight_bits": 8}, stages={"dense": "x"})
    tmp_path.joinpath("a-1").mkdir()
    finish(job, tmp_path / "a-1", stages={"dense": "x"})
    monkeypatch.setattr(search_module, "run_job", lambda job, **_: JobState(job.name, "failed", "run again"))
    assert search_module.run_trial_job(job, tmp_path / "a-1").status == "finished"
    other = replace(job, stages={"dense": "y"})
    assert search_module.run_trial_job(other, tmp_path / "a-1").reason == "run again"


def test_an_incomplete_last_line_of_the_journal_is_dropped(tmp_path):
    search = make_search(tmp_path)
    search.go_on(most=2)
    with (search.folder / "trials.log").open("ab") as stream:
        stream.write(b'{"op_code": 4, "wor')
    again = make_search(tmp_path)
    again.go_on(most=3)
    assert again.trials.count() == (3, 0)


def test_a_damaged_file_of_an_earlier_search_is_named(tmp_path):
    space = {"sparsity": Range(0.5, 0.9)}
    folder = make_search(tmp_path, space=space).folder
    journal = (folder / "trials.log").read_bytes()
    (folder / "sweep.json").write_bytes(b"{")
    cases = {
        ("search.json", b"{"): "not valid JSON (expecting property name enclosed in double quotes); give another name=",
        ("search.json", b"\xff"): "not valid JSON (",
        ("trials.log", journal + b"{\n" + journal): "cannot be read (JSONDecodeError: Expecting property name",
        ("trials.log", journal + b"\xff\xfe\n"): "cannot be read (UnicodeDecodeError: ",
        (
            "trials.log",
            journal + b"5\n",
        ): "cannot be read (TypeError: 'int' object is not subscriptable); give another ",
        ("sweep.json", b"{"): "not valid JSON (",
    }
    for (name, damaged), reason in cases.items():
        intact = (folder / name).read_bytes()
        (folder / name).write_bytes(damaged)
        with pytest.raises(InputError) as raised:
            make_search(tmp_path, space=space).go_on(most=2)
        assert str(raised.value).startswith(f"{folder / name}: {reason}")
        assert "\n" not in str(raised.value)
        (folder / name).write_bytes(intact)


def test_an_earlier_job_without_a_searched_key_is_a_one_line_error(tmp_path):
    space = {"sparsity": Range(0.5, 0.9)}
    search = make_search(tmp_path, space=space)
    document = {"schema_version": 1, "command": [], "axes": {}, "jobs": [{"name": "a", "axes": {}}]}
    (search.folder / "sweep.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=r"sweep\.json: damaged \(a job's axes: 'sparsity'\); give another name=, or"):
        search.go_on(most=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "metrics.json: not valid JSON"),
        ('{"run": {"val_accuracy": {"dense": 1}}}', "metrics.json: damaged (KeyError: 'compressed')"),
        ('{"run": 5, "compressed": {"bytes": {"artifact": 1}}}', "metrics.json: damaged (TypeError: "),
    ],
)
def test_a_damaged_record_fails_only_its_trial(tmp_path, capsys, text, reason):
    def leave_damage(job, folder):
        state = finish(job, folder)
        (folder / "metrics.json").write_text(text)
        return state

    search = make_search(tmp_path, run=leave_damage)
    assert search.go_on(most=1) == []
    assert search.trials.count() == (0, 1)
    assert reason in capsys.readouterr().out


@pytest.mark.parametrize(
    ("space", "extra", "message"),
    [
        ({"sparsty": Choices((0.5,))}, (), "sparsty: unknown key 'sparsty' .did you mean sparsity"),
        ({"weight_bits": Choices((1, 9))}, (), "weight_bits: weight_bits=1: must be"),
        ({"sparsity": Choices((0.5,))}, ("sparsity=0.9",), "is searched and given on the command line"),
        ({"output_dir": Choices(("a",))}, (), "output_dir: cannot be searched"),
        ({"store_max_bytes": Choices(("5GiB",))}, (), "store_max_bytes: cannot be searched"),
        ({"hydra.run.dir": Choices(("a",))}, (), "hydra.run.dir: cannot be searched"),
        ({"hydra/job_logging": Choices(("none",))}, (), "hydra/job_logging: cannot be searched"),
        ({"+sweep": Choices(("grid", "quick"))}, (), "sweep: cannot be searched"),
        (SPACE, ("hydra/launcher=joblib",), "hydra/launcher=joblib: no job would get it; allowed of Hydra's own"),
        (SPACE, ("until=export",), "until=export: must be evaluate or analyze"),
    ],
)
def test_keys_that_cannot_be_searched_are_refused_before_anything_runs(tmp_path, space, extra, message):
    with pytest.raises(InputError, match=message):
        make_search(tmp_path, space=space, extra=extra)
    assert not (tmp_path / "mine").exists()


def test_the_folder_of_another_search_is_refused(tmp_path):
    make_search(tmp_path)
    with pytest.raises(InputError, match="holds another search"):
        make_search(tmp_path, seed=2)


def test_without_optuna_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r'^optuna is not installed: pip install "compression\[search\]"$'):
        make_search(tmp_path)


def start_search(tmp_path, space):
    path = os.pathsep.join([str(ROOT / "tests" / "support"), str(ROOT)])
    command = [
        *(sys.executable, "-m", "compression", "search", *TINY, "training.epochs=1", "strategy=oneshot_l1"),
        *("activation_bits=8", "name=mine", f"output_dir={tmp_path}", "--space", str(space), "--trials", "2"),
    ]
    return subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.mark.slow
def test_a_real_search_survives_a_kill(tmp_path):
    space = tmp_path / "space.yaml"
    space.write_text("sparsity: {low: 0.5, high: 0.9, step: 0.1}\nweight_bits: [6, 8]\n")
    killed = start_search(tmp_path, space)
    while not list(tmp_path.glob("mine/s*/job.json")):
        assert killed.poll() is None, killed.communicate()[0]
        time.sleep(0.05)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    drawn = read_sweep(tmp_path / "mine").jobs[0].name
    again = start_search(tmp_path, space)
    output, _ = again.communicate(timeout=600)
    assert again.returncode == 0, output
    assert f"1/2  {drawn}  validation accuracy" in output
    assert "2 of 2 trials finished, 0 failed" in output
    assert len(list((tmp_path / "store").glob("dense-*/stage.json"))) == 1
    third = start_search(tmp_path, space)
    output, _ = third.communicate(timeout=600)
    assert third.returncode == 0, output
    assert "1/2" not in output


def test_a_search_is_open_between_its_trials(tmp_path):
    seen = []
    one = SimpleNamespace(
        folder=tmp_path, output_dir=tmp_path, _go_on=lambda most: seen.append((most, is_open(tmp_path)))
    )
    Search.go_on(one, most=3)
    assert seen == [(3, True)]
    assert not is_open(tmp_path)

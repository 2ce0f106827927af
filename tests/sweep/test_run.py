"""A sweep that is begun where another was, that is given what it cannot run, or that ends before its time."""

import io
import json
import os
import re
import signal
import sys
from dataclasses import replace
from types import SimpleNamespace

import psutil
import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from rich.console import Console
from runs import ROOT, TINY
from sweep_folders import make_metrics

from compression.commands.status import is_over, show_status
from compression.config import run_name, schema, sweep_name
from compression.config.compose import compose_job
from compression.config.sweep_name import INVOCATION, PARENT, SWEEP_FILE
from compression.core.disk import DiskFullError
from compression.core.errors import InputError
from compression.core.stopping import Stopped, stop_in_order
from compression.sweep import run
from compression.sweep.answer.records import read_records
from compression.sweep.baselines import second_round
from compression.sweep.baselines.second_round import BASELINES, run_second_round
from compression.sweep.begin import begin, name_folder
from compression.sweep.callback import SweepCallback
from compression.sweep.gpus import GPUS
from compression.sweep.jobs import Job, JobState, Sweep, read_sweep
from compression.sweep.opened import OPEN, close_sweep, is_open, open_sweep, refuse_opened
from compression.sweep.search import search


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """What a sweep leaves in the environment is not left to other tests."""
    for name in (SWEEP_FILE, GPUS, BASELINES, INVOCATION, PARENT):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(run, "_no_room", [])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Begin a sweep called `mine` of the network of the tests, as if by a command of its own."""

    def start_sweep(*overrides):
        monkeypatch.delenv(SWEEP_FILE, raising=False)
        schema.register(), run_name.register(), sweep_name.register()
        lines = [*TINY, "strategy=oneshot_l1", f"output_dir={tmp_path}", "name=mine", *overrides]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            return begin(loader.load_configuration("config", lines, run_mode=RunMode.MULTIRUN))

    return start_sweep


def finish(sweep, *, status="finished"):
    """Leave what the sweep's own jobs leave."""
    for job in sweep.own:
        JobState(job.name, status).write(sweep.folder / job.name)
        if status == "finished":
            (sweep.folder / job.name / "metrics.json").write_text(json.dumps(make_metrics()))


def names(jobs):
    return [job.name.rpartition("-")[0] for job in jobs]


def test_another_grid_of_the_same_name_adds_to_the_sweep(start, capsys):
    first = start("sparsity=0.5,0.9", "weight_bits=6,8")
    finish(first)
    again = start("sparsity=0.5,0.7", "weight_bits=8")
    assert names(again.jobs) == ["s50_w8", "s70_w8", "s50_w6", "s90_w6", "s90_w8"]
    assert [job.kept for job in again.jobs] == [False, False, True, True, True]
    assert again.jobs[0].name == first.jobs[1].name, "found in its folder"
    assert again.axes == {"sparsity": [0.5, 0.7, 0.9], "weight_bits": [8, 6]}
    assert [job.axes for job in again.own] == [{"sparsity": 0.5, "weight_bits": 8}, {"sparsity": 0.7, "weight_bits": 8}]
    assert "3 jobs of earlier commands stay in its answer" in capsys.readouterr().out
    assert read_sweep(again.folder) == again
    assert len(read_records(again.folder).finished) == 4
    # A third one knows of both, also on an axis that the first did not have.
    third = start("sparsity=0.5", "weight_bits=8", "strategy=oneshot_random,oneshot_l1")
    assert names(third.own) == ["oneshot_random_s50_w8", "s50_w8"]
    assert all(job.kept for job in third.jobs[2:])
    # The job at 0.7 was never begun.
    assert names(third.jobs[2:]) == ["s50_w6", "s90_w6", "s90_w8"]
    assert third.axes == {"strategy": ["oneshot_random", "oneshot_l1"], "sparsity": [0.5, 0.9], "weight_bits": [8, 6]}
    assert all(job.axes["strategy"] == "oneshot_l1" for job in third.jobs[1:])


def test_baselines_stay_without_being_asked_for(start, monkeypatch):
    first = start("sparsity=0.5,0.9", "baselines=true")
    dense = Job("small_dense_width0.5-d1d1d1", (), {"sparsity": 0.5, "width_mult": 0.5}, kind="small_dense")
    first = Sweep(first.folder, first.command, first.axes, (*first.jobs, dense))
    first.write()
    finish(first)
    again = start("sparsity=0.5,0.9")
    assert [(job.kind, job.kept) for job in again.jobs] == [
        *[("grid", False)] * 2,
        *[("random", True)] * 2,
        ("small_dense", True),
    ]
    assert again.axes == first.axes
    again = start("sparsity=0.5", "baselines=true")
    assert [(job.kind, job.kept) for job in again.jobs] == [
        ("grid", False),
        ("random", False),
        ("grid", True),
        ("random", True),
        ("small_dense", True),
    ]
    # In the second round it becomes the command's own again, and what is kept runs not.
    ran = []
    monkeypatch.setattr(second_round, "make_small_dense", lambda _: [dense])
    done = run_second_round(again, lambda sweep, number: ran.append(sweep.jobs[number].name))
    assert ran == [again.jobs[1].name, dense.name]
    assert [(job.kind, job.kept) for job in done.jobs[2:]] == [("small_dense", False), ("grid", True), ("random", True)]
    assert read_sweep(done.folder) == done


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sparsity=0.5,0.7", "until=prune"], "until=prune: must be evaluate, for a sweep compares what is measured"),
        (["sparsity=0.5,0.50"], "jobs sparsity=0.5 and sparsity=0.5 are the same one; each must be given once"),
        (["sparsity=0.1,0.7,0.7000000000000001"], "sparsity=0.7 and sparsity=0.7000000000000001 are the same one"),
    ],
)
def test_what_is_no_sweep_is_told_at_once(start, tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        start(*overrides)
    assert not (tmp_path / "mine").exists()


def test_all_jobs_look_for_configurations_where_the_command_does(start, tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 7\n")
    sweep = start(f"hydra.searchpath=['{tmp_path}']", "experiment=mine", "sparsity=0.5,0.7", "baselines=true")
    assert [job.kind for job in sweep.jobs] == ["grid", "grid", "random", "random"]
    assert {job.overrides[0] for job in sweep.jobs} == {f"hydra.searchpath=['file://{tmp_path}']"}
    assert all(compose_job(job.overrides)[0].seed == 7 for job in sweep.jobs)


def test_a_file_in_the_folders_place_is_told_before_the_plan(start, tmp_path, capsys):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match=r"mine is a file: give another name=$"):
        start("sparsity=0.5,0.7")
    assert "to make" not in capsys.readouterr().out


def test_a_folder_of_something_else_is_left_alone(start, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "search.json").write_text("{}")
    with pytest.raises(InputError, match=r"mine holds a search .search.json.: give another name="):
        start("sparsity=0.5,0.7")
    (tmp_path / "mine" / "search.json").unlink()
    (tmp_path / "mine" / "sweep.json").write_text('{"schema_version": 9}')
    with pytest.raises(InputError, match="schema_version is 9; known: 1; give another name="):
        start("sparsity=0.5,0.7")


def test_a_long_name_keeps_its_digest():
    choices = {"data": "digits", "model": "vgg11"}
    master = SimpleNamespace(hydra=SimpleNamespace(runtime=SimpleNamespace(choices=choices)))
    axes = {f"model.{letter * 40}": [1, 2] for letter in "xyz"}
    a, b = (name_folder(SimpleNamespace(name=None), master, axes, [job]) for job in ("one", "other"))
    assert a[:-6] == b[:-6]
    assert a != b
    assert len(a) == len(b) == 120


def test_a_pool_that_is_begun_anew_is_not_checked_again(monkeypatch):
    monkeypatch.setenv(SWEEP_FILE, "/somewhere/sweep.json")
    # Nothing of a configuration is looked at.
    SweepCallback().on_multirun_start(None)


# From here on sweeps whose jobs are not run.


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A sweep of two jobs and a kept one, begun."""
    jobs = (Job("a-1", (), {"x": 1}), Job("b-2", (), {"x": 2}), Job("c-3", (), {"x": 3}, kept=True))
    sweep = Sweep(tmp_path, ("train.py",), {"x": [1, 2, 3]}, jobs)
    open_sweep(tmp_path)
    sweep.write()
    monkeypatch.setenv(SWEEP_FILE, str(tmp_path / "sweep.json"))
    monkeypatch.setenv(INVOCATION, "this one")
    return sweep


def raiser(error):
    def main():
        raise error

    return main


class UncompletedJobError(Exception):
    """Called as submitit's."""


class TerminatedWorkerError(Exception):
    """Called as joblib's."""


class NoMoreLayersError(Exception):
    """A defect, or a user's."""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "error: stopped from the keyboard; the same command goes on"),
        (Stopped(signal.SIGTERM), 143, "error: stopped by SIGTERM; the same command goes on"),
        (InputError("no room"), 1, "error: no room"),
        (PermissionError(13, "Permission denied", "/a/job.json"), 1, "error: /a/job.json: permission denied"),
        (NoMoreLayersError("five"), 1, "error: NoMoreLayersError, as above"),
        (TerminatedWorkerError(), 1, "error: a worker was killed 3 times; the same command goes on"),
        (UncompletedJobError("Job 7 was cancelled\nlog"), 1, "error: a task ended without an answer: Job 7 was cancelled; others may still run, `python -m compression report` gathers them later"),  # noqa: E501
        (UncompletedJobError(), 1, "error: a task ended without an answer: no reason given; others may still run, `python -m compression report` gathers them later"),  # noqa: E501
    ],
)  # fmt: skip
def test_whatever_ends_a_sweep_there_is_an_answer(sweep, capsys, error, code, line):
    assert run.complete(raiser(error)) == code
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == line
    assert ("Traceback" in told.err) == isinstance(error, NoMoreLayersError)
    assert (sweep.folder / "results.csv").exists()
    assert "results.csv" in told.out
    assert not is_open(sweep.folder)


def test_what_ends_the_second_round_takes_no_answer_away(sweep, monkeypatch, capsys):
    monkeypatch.setenv(BASELINES, "1")
    monkeypatch.setattr(run, "run_second_round", lambda *_: raiser(NoMoreLayersError("of a user's model"))())
    assert run.complete(lambda: None) == 1
    assert "NoMoreLayersError: of a user's model" in capsys.readouterr().err
    assert (sweep.folder / "results.csv").exists()


def test_a_single_run_ends_as_it_did(monkeypatch):
    monkeypatch.delenv(SWEEP_FILE, raising=False)
    assert run.complete(lambda: None) == 0
    for error in (NoMoreLayersError(), SystemExit(3)):
        with pytest.raises(type(error)):
            run.complete(raiser(error))


def test_a_run_that_is_told_to_end_says_so(monkeypatch, capsys):
    monkeypatch.delenv(SWEEP_FILE, raising=False)

    def train():
        try:
            raise Stopped(signal.SIGTERM)
        except KeyboardInterrupt:
            # As Lightning does it.
            sys.exit(1)

    assert run.complete(train) == 143
    assert run.complete(raiser(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.splitlines() == [
        "error: stopped by SIGTERM; the same command goes on",
        "error: stopped from the keyboard; the same command goes on",
    ]


def test_the_exit_code_is_that_of_the_commands_own_jobs(sweep):
    for name, status in (("a-1", "finished"), ("b-2", "finished"), ("c-3", "failed")):
        JobState(name, status).write(sweep.folder / name)
        (sweep.folder / name / "metrics.json").write_text(json.dumps(make_metrics()))
    assert run.complete(lambda: None) == 0
    (sweep.folder / "b-2" / "metrics.json").write_text("[]")
    assert run.complete(lambda: None) == 1


def test_what_failed_is_not_tried_again_when_a_pool_dies(sweep, monkeypatch, capsys):
    ran, pools = [], []

    def run_job(job, *, folder, script, environment):
        del script, environment
        ran.append(job.name)
        state = JobState(job.name, "failed", "why", seconds=1.0, invocation=os.environ[INVOCATION])
        state.write(folder)
        return state

    monkeypatch.setattr(run, "run_job", run_job)
    # The worker of the second job is killed with it; the first failed.
    JobState("b-2", "running", invocation="this one").write(sweep.folder / "b-2")

    def main():
        run.run_numbered(0)
        pools.append(len(pools))
        if pools == [0]:
            raise TerminatedWorkerError
        run.run_numbered(1)

    assert run.complete(main) == 1
    assert ran == ["a-1", "b-2"]
    assert "1/2  a-1  found failed" in capsys.readouterr().out
    # Another command tries again.
    monkeypatch.setenv(INVOCATION, "another")
    run.run_numbered(0)
    assert ran == ["a-1", "b-2", "a-1"]


def test_a_full_disk_ends_a_sweep(sweep, monkeypatch, capsys):
    ran = []

    def run_job(job, *, folder, script, environment):
        del script, environment
        ran.append(job.name)
        state = JobState(job.name, "failed", "the disk is full: 0 B free in /a", seconds=1.0)
        state.write(folder)
        return state

    monkeypatch.setattr(run, "run_job", run_job)

    def main():
        # As Hydra does it: what one job raises is seen after all of them.
        errors = []
        for number in (0, 1):
            try:
                run.run_numbered(number)
            except DiskFullError as error:
                errors.append(error)
        raise errors[0]

    assert run.complete(main) == 1
    assert ran == ["a-1"]
    assert capsys.readouterr().err.splitlines()[-1] == "error: the disk is full: 0 B free in /a"
    rows = {job.name: job.status for job in read_records(sweep.folder).jobs}
    assert (rows["a-1"], rows["b-2"]) == ("failed", "waiting")


def test_signals_to_end_are_as_from_the_keyboard():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_in_order()
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    # As under nohup.
    os.kill(os.getpid(), signal.SIGHUP)


def test_a_job_knows_its_process_and_its_command(tmp_path, monkeypatch):
    monkeypatch.setenv(INVOCATION, "this one")
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(3)")
    state = run.run_job(Job("a-1", (), {}), folder=tmp_path / "a-1", script=script)
    assert state.invocation == "this one"
    assert abs(state.pid_begun - psutil.Process().create_time()) < 3600


def text(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_brackets_are_no_markup(sweep):
    JobState("a-1", "failed", "no such folder: [/data/x]").write(sweep.folder / "a-1")
    JobState("b-2", "running").write(sweep.folder / "b-2")
    (sweep.folder / "b-2" / "output.log").write_text("epoch [bold]3[/nothing]")
    shown = text(show_status(sweep.folder))
    assert "no such folder: [/data/x]" in shown
    assert "epoch [bold]3[/nothing]" in shown


def test_where_there_is_no_room_for_all_what_matters_is_shown(sweep):
    statuses = ["finished", "finished", "failed", "running", "waiting", "waiting"]
    jobs = tuple(Job(f"j{number}", (), {}) for number in range(len(statuses)))
    replace(sweep, jobs=jobs).write()
    for job, status in zip(jobs, statuses, strict=True):
        if status != "waiting":
            JobState(job.name, status).write(sweep.folder / job.name)
    shown = text(show_status(sweep.folder, most=3))
    assert [name for name in ("j0", "j1", "j2", "j3", "j4", "j5") if name in shown] == ["j2", "j3", "j4"]
    assert "not shown: 2 finished, 1 waiting" in shown
    assert "not shown" not in text(show_status(sweep.folder, most=6))


def test_a_sweep_is_over_when_nobody_works_on_it(sweep):
    for job in sweep.jobs:
        JobState(job.name, "finished").write(sweep.folder / job.name)
    assert not is_over(sweep.folder), "baselines may come"
    close_sweep(sweep.folder)
    assert is_over(sweep.folder)
    JobState("b-2", "running").write(sweep.folder / "b-2")
    assert not is_over(sweep.folder), "a task that was lost may run"
    # Closed, what waits is not coming.
    (sweep.folder / "b-2" / "job.json").unlink()
    assert is_over(sweep.folder)


def test_a_process_that_is_gone_works_on_nothing(sweep):
    [mark] = (sweep.folder / OPEN).iterdir()
    written = json.loads(mark.read_text())
    mark.write_text(json.dumps(written | {"begun": written["begun"] - 60}))
    assert not is_open(sweep.folder)
    mark.write_text("[]")
    assert not is_open(sweep.folder)
    # It is taken away by the next one; that of another machine is not known to be gone.
    elsewhere = mark.with_name("elsewhere-7.json")
    elsewhere.write_text(json.dumps({"host": "elsewhere", "pid": 7, "begun": 0.0}))
    mark.rename(mark.with_name("gone-8.json"))
    open_sweep(sweep.folder)
    assert sorted(path.name for path in (sweep.folder / OPEN).iterdir()) == sorted([mark.name, elsewhere.name])
    close_sweep(sweep.folder)
    assert is_open(sweep.folder)
    # It says now and then that it is there.
    os.utime(elsewhere, (1, 1))
    assert not is_open(sweep.folder)


def test_a_search_is_open_between_its_trials(tmp_path):
    seen = []
    one = SimpleNamespace(
        folder=tmp_path, output_dir=tmp_path, _go_on=lambda most: seen.append((most, is_open(tmp_path)))
    )
    search.Search.go_on(one, most=3)
    assert seen == [(3, True)]
    assert not is_open(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"jobs": ', "not whole JSON"),
        ("[]", "not a mapping"),
        ('{"schema_version": 2, "jobs": []}', "schema_version is 2; known: 1"),
        ('{"schema_version": 1, "jobs": {}}', "not a plan of jobs"),
        ('{"schema_version": 1, "jobs": [7]}', "a job is no mapping"),
        ('{"schema_version": 1, "jobs": [{"name": "../a"}]}', "a job's name is '../a'"),
        ('{"schema_version": 1, "jobs": [{"name": "a", "axes": [1]}]}', "axes or stages of a are no mapping"),
        ('{"schema_version": 1, "jobs": [], "axes": {"x": 1}}', "axes are no lists of values"),
        ('{"schema_version": 1, "jobs": [], "command": "train.py"}', "'train.py' is no list"),
    ],
)
def test_a_plan_that_cannot_be_read_is_one_line(tmp_path, content, reason):
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'sweep.json'}: ") + ".*" + re.escape(reason)):
        read_sweep(tmp_path)
    with pytest.raises(InputError, match=re.escape(reason)):
        read_records(tmp_path)


def test_two_commands_do_not_work_on_one_sweep(tmp_path):
    refuse_opened(tmp_path)
    open_sweep(tmp_path)
    refuse_opened(tmp_path)
    # Another's: the process that runs this one's tests, or its shell.
    [own] = (tmp_path / OPEN).glob("*.json")
    other = psutil.Process().parent()
    document = json.loads(own.read_text()) | {"pid": other.pid, "begun": other.create_time()}
    (tmp_path / OPEN / "other.json").write_text(json.dumps(document))
    with pytest.raises(InputError, match=f"process {other.pid} is at work on this sweep .*give another name="):
        refuse_opened(tmp_path)
    # What is gone, with its number given to another since, holds nothing.
    (tmp_path / OPEN / "other.json").write_text(json.dumps(document | {"begun": other.create_time() - 100}))
    refuse_opened(tmp_path)

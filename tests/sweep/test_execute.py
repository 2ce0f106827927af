"""How a sweep ends, whatever ends it; its jobs are not run."""

import json
import os
import signal
import sys

import pytest
from sweep_folders import make_metrics

from compression.config.sweep_environment import BASELINES, INVOCATION, SWEEP_FILE
from compression.core.errors import InputError
from compression.sweep import execute as run
from compression.sweep.jobs import JobState
from compression.sweep.presence import is_open
from compression.sweep.report.records import read_records
from compression.system.disk import DiskFullError
from compression.system.termination import Stopped


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


@pytest.mark.usefixtures("without_pictures")
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


@pytest.mark.usefixtures("without_pictures")
def test_the_exit_code_is_that_of_the_commands_own_jobs(sweep):
    for name, status in (("a-1", "finished"), ("b-2", "finished"), ("c-3", "failed")):
        JobState(name, status).write(sweep.folder / name)
        (sweep.folder / name / "metrics.json").write_text(json.dumps(make_metrics()))
    assert run.complete(lambda: None) == 0
    (sweep.folder / "b-2" / "metrics.json").write_text("[]")
    assert run.complete(lambda: None) == 1


@pytest.mark.usefixtures("without_pictures")
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


@pytest.mark.usefixtures("without_pictures")
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

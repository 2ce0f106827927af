"""The end of a sweep, for every cause. No job is run."""

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
    """An error with the name that submitit uses."""


class TerminatedWorkerError(Exception):
    """An error with the name that joblib uses."""


class NoMoreLayersError(Exception):
    """A defect of the package, or an error in a user's model."""


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (KeyboardInterrupt(), 130, "error: stopped from the keyboard; the same command continues"),
        (Stopped(signal.SIGTERM), 143, "error: stopped by SIGTERM; the same command continues"),
        (InputError("no room"), 1, "error: no room"),
        (PermissionError(13, "Permission denied", "/a/job.json"), 1, "error: /a/job.json: permission denied"),
        (NoMoreLayersError("five"), 1, "error: NoMoreLayersError, as above"),
        (TerminatedWorkerError(), 1, "error: a worker was killed 3 times; the same command continues"),
        (UncompletedJobError("Job 7 was cancelled\nlog"), 1, "error: a task ended without a result: Job 7 was cancelled; others may still run, `python -m compression report` collects them later"),  # noqa: E501
        (UncompletedJobError(), 1, "error: a task ended without a result: no reason given; others may still run, `python -m compression report` collects them later"),  # noqa: E501
    ],
)  # fmt: skip
def test_a_sweep_is_reported_whatever_ends_it(sweep, capsys, error, code, line):
    assert run.complete(raiser(error)) == code
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == line
    assert ("Traceback" in printed.err) == isinstance(error, NoMoreLayersError)
    assert (sweep.folder / "results.csv").exists()
    assert "results.csv" in printed.out
    assert not is_open(sweep.folder)


@pytest.mark.usefixtures("sweep")
@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(None, Stopped(signal.SIGTERM), 143), (Stopped(signal.SIGTERM), KeyboardInterrupt(), 143)],
)
def test_a_stop_during_the_report_is_one_line(monkeypatch, capsys, first, second, code):
    monkeypatch.setattr(run, "conclude", lambda _: raiser(second)())
    assert run.complete(raiser(first) if first else lambda: None) == code
    assert capsys.readouterr().err == "error: stopped by SIGTERM; the same command continues\n"


def test_an_error_in_the_second_round_does_not_prevent_the_report(sweep, monkeypatch, capsys):
    monkeypatch.setenv(BASELINES, "1")
    monkeypatch.setattr(run, "run_second_round", lambda *_: raiser(NoMoreLayersError("of a user's model"))())
    assert run.complete(lambda: None) == 1
    assert "NoMoreLayersError: of a user's model" in capsys.readouterr().err
    assert (sweep.folder / "results.csv").exists()


def test_a_single_run_ends_with_its_own_error(monkeypatch):
    monkeypatch.delenv(SWEEP_FILE, raising=False)
    assert run.complete(lambda: None) == 0
    for error in (NoMoreLayersError(), SystemExit(3)):
        with pytest.raises(type(error)):
            run.complete(raiser(error))


def test_a_stopped_run_prints_what_stopped_it(monkeypatch, capsys):
    monkeypatch.delenv(SWEEP_FILE, raising=False)

    def train():
        try:
            raise Stopped(signal.SIGTERM)
        except KeyboardInterrupt:
            # Lightning turns an interrupt into SystemExit like this.
            sys.exit(1)

    assert run.complete(train) == 143
    assert run.complete(raiser(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err.splitlines() == [
        "error: stopped by SIGTERM; the same command continues",
        "error: stopped from the keyboard; the same command continues",
    ]


@pytest.mark.usefixtures("without_pictures")
def test_the_exit_code_ignores_kept_jobs(sweep):
    for name, status in (("a-1", "finished"), ("b-2", "finished"), ("c-3", "failed")):
        JobState(name, status).write(sweep.folder / name)
        (sweep.folder / name / "metrics.json").write_text(json.dumps(make_metrics()))
    assert run.complete(lambda: None) == 0
    (sweep.folder / "b-2" / "metrics.json").write_text("[]")
    assert run.complete(lambda: None) == 1


@pytest.mark.usefixtures("without_pictures")
def test_failed_jobs_are_not_retried_when_a_pool_restarts(sweep, monkeypatch, capsys):
    ran, pools = [], []

    def run_job(job, *, folder, script, environment):
        del script, environment
        ran.append(job.name)
        state = JobState(job.name, "failed", "why", seconds=1.0, invocation=os.environ[INVOCATION])
        state.write(folder)
        return state

    monkeypatch.setattr(run, "run_job", run_job)
    # The worker of the second job is killed during that job. The first job has failed.
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
    # Another command tries the failed job again.
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
        # Like Hydra, which raises the error of a job only after all jobs.
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

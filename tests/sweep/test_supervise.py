"""A job's process: how it ends, and what is said of it. Scripts of a few lines stand for train.py."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from compression.core import processes
from compression.core.processes import SILENCE
from compression.sweep.jobs import (
    BROKEN,
    FAILED,
    FINISHED,
    INTERRUPTED,
    JOB,
    KILLED,
    METRICS,
    OUTPUT,
    RUNNING,
    WAITING,
    Job,
    JobState,
    read_log_line,
    read_state,
)
from compression.sweep.supervise import is_done, run_job

JOB_OF_TEST = Job("s50", ("sparsity=0.5",), {"sparsity": 0.5}, stages={"dense": "1", "prune": "2"})


def script(folder: Path, body: str) -> Path:
    """A script that gets the run's folder as ``folder``."""
    path = folder / "script.py"
    path.write_text(
        "import json, os, pathlib, signal, sys, time\n"
        "folder = pathlib.Path(sys.argv[2].removeprefix('hydra.run.dir=').strip(\"'\"))\n" + textwrap.dedent(body)
    )
    return path


def run(folder: Path, body: str) -> JobState:
    return run_job(JOB_OF_TEST, folder=folder / "s50", script=script(folder, body))


WRITE = """(folder / "metrics.json").write_text('{"run": {"stages": {"dense": "1", "prune": "2"}}}')\n"""


def test_finished(tmp_path):
    state = run(tmp_path, WRITE + "assert sys.argv[1] == 'sparsity=0.5' and sys.argv[3] == 'hydra.mode=RUN'")
    assert (state.status, state.reason, state.attempts) == (FINISHED, None, 1)
    assert read_state(tmp_path / "s50") == state
    assert is_done(JOB_OF_TEST, tmp_path / "s50")
    assert not is_done(replace(JOB_OF_TEST, stages={"dense": "1", "prune": "3"}), tmp_path / "s50")
    assert not is_done(replace(JOB_OF_TEST, stages={"dense": "1"}), tmp_path / "s50")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ("sys.exit('error: sparsity=2: must be in [0, 1)')", FAILED, "sparsity=2: must be in [0, 1)"),
        ("raise ValueError('no such thing')", FAILED, "ValueError: no such thing"),
        ("sys.exit(3)", FAILED, "exit code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", KILLED, "killed by SIGKILL, as a system out of memory does"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", KILLED, "killed by SIGSEGV"),
        ("pass", FAILED, "exit code 0, and no metrics.json"),
        (
            "print('error: stopped by SIGTERM; the same command goes on'); sys.exit(143)",
            KILLED,
            "stopped by SIGTERM; the same command goes on",
        ),
    ],
)
def test_ends(tmp_path, body, status, reason):
    state = run(tmp_path, body)
    assert (state.status, state.reason) == (status, reason)
    assert not is_done(JOB_OF_TEST, tmp_path / "s50")


def test_what_was_there_is_not_taken_for_the_new(tmp_path):
    run(tmp_path, WRITE)
    state = run(tmp_path, "sys.exit('error: later')")
    assert (state.status, state.attempts) == (FAILED, 2)
    assert not (tmp_path / "s50" / METRICS).exists()


def test_an_interrupted_job_is_seen(tmp_path):
    pid = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    state = run(tmp_path, WRITE)
    replace(state, status=RUNNING, pid=pid).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == INTERRUPTED
    here = psutil.Process().create_time()
    replace(state, status=RUNNING, pid=os.getpid(), pid_begun=here).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == RUNNING
    # The number was given to another process since; of records without the time, the number has to do.
    replace(state, status=RUNNING, pid=os.getpid(), pid_begun=here - 60).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == INTERRUPTED
    replace(state, status=RUNNING, pid=os.getpid(), pid_begun=None).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == RUNNING
    replace(state, status=RUNNING, pid=pid, host="elsewhere").write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == RUNNING
    # There it is known by the record alone, which is touched as long as the job runs.
    silent = time.time() - SILENCE - 1
    os.utime(tmp_path / "s50" / JOB, (silent, silent))
    known = read_state(tmp_path / "s50")
    assert (known.status, known.reason) == (INTERRUPTED, "elsewhere has been silent for 15 minutes; run it again")


def test_a_job_is_heard_of_as_long_as_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "BEAT", 0.01)
    path = tmp_path / "s50" / JOB
    waiting = """
        record = folder / "job.json"
        while not record.exists():
            time.sleep(0.01)
        os.utime(record, (1, 1))
        while record.stat().st_mtime < 2:
            time.sleep(0.01)
    """
    assert run(tmp_path, textwrap.dedent(waiting) + WRITE).status == FINISHED
    os.utime(path, (1, 1))
    time.sleep(0.1)
    assert path.stat().st_mtime == 1


def test_a_zombie_is_gone(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    begun = psutil.Process(child.pid).create_time()
    JobState("s50", RUNNING, pid=child.pid, pid_begun=begun, host=socket.gethostname()).write(tmp_path)
    assert read_state(tmp_path).status == INTERRUPTED
    child.wait()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"name": "s50", "sta', "job.json: not whole JSON (unterminated string starting at)"),
        ("[]", "job.json: not a mapping"),
        ('{"schema_version": 9, "status": "failed"}', "job.json: schema_version is 9; known: 1"),
        ('{"schema_version": 1, "status": []}', "job.json: status is []"),
        ('{"schema_version": 1, "status": "running", "begun": "once"}', "job.json: Invalid isoformat string: 'once'"),
        ('{"schema_version": 1, "status": "running", "begun": "2026-01-01T00:00:00"}', "without a time zone"),
        ('{"schema_version": 1, "status": "running", "pid": "7"}', "job.json: pid is '7'"),
        ('{"schema_version": 1, "status": "failed", "seconds": Infinity}', "job.json: seconds is inf"),
    ],
)
def test_a_record_that_cannot_be_read_is_told(tmp_path, content, reason):
    assert read_state(tmp_path / "none").status == WAITING
    (tmp_path / JOB).write_text(content)
    assert read_state(tmp_path).status == BROKEN
    assert reason in str(read_state(tmp_path).reason)
    # Numbers are written once, at the end.
    (tmp_path / METRICS).write_text("{}")
    assert read_state(tmp_path).status == FINISHED
    assert reason in str(read_state(tmp_path).reason)


@pytest.mark.parametrize("number", [-1, 0, 2**40, 10**30])
def test_a_number_that_is_no_process(tmp_path, number):
    JobState("s50", RUNNING, pid=number, host=socket.gethostname()).write(tmp_path)
    assert read_state(tmp_path).status == INTERRUPTED


@pytest.mark.parametrize("content", ["[]", '{"run": []}', '{"run": {"stages": ["dense"]}}', "{}", "half"])
def test_numbers_that_cannot_be_read_are_not_done(tmp_path, content):
    JobState("s50", FINISHED).write(tmp_path)
    (tmp_path / METRICS).write_text(content)
    assert not is_done(JOB_OF_TEST, tmp_path)


def test_the_last_line_of_the_output(tmp_path):
    assert read_log_line(tmp_path) is None
    (tmp_path / OUTPUT).write_text("one\nepoch 1\repoch 2\r\n\n")
    assert read_log_line(tmp_path) == "epoch 2"


def test_a_job_ends_with_its_supervisor(tmp_path):
    """Killed from outside, a supervisor cannot end its child: the child sees that itself."""
    child = "from compression.sweep.supervise import exit_with_parent\nexit_with_parent()\ntime.sleep(60)"
    program = f"""
        import sys
        from pathlib import Path
        from compression.sweep.jobs import Job
        from compression.sweep.supervise import run_job
        folder, script = Path({str(tmp_path)!r}), Path({str(script(tmp_path, child))!r})
        run_job(Job("s50", ("a=1",), {{}}), folder=folder / "s50", script=script)
    """
    supervisor = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)])
    record = tmp_path / "s50" / JOB
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    pid = json.loads(record.read_text())["pid"]
    time.sleep(1)
    assert psutil.pid_exists(pid)
    supervisor.send_signal(signal.SIGKILL)
    supervisor.wait()
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid)
    assert read_state(tmp_path / "s50").status == INTERRUPTED

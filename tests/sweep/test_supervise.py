"""The process of a job: its ends and their reasons. Short scripts stand for train.py."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from compression.config.sweep_environment import INVOCATION
from compression.sweep.jobs import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    JOB,
    KILLED,
    METRICS,
    Job,
    JobState,
    read_state,
)
from compression.sweep.supervise import is_done, run_job
from compression.system import processes

JOB_OF_TEST = Job("s50", ("sparsity=0.5",), {"sparsity": 0.5}, stages={"dense": "1", "prune": "2"})


def script(folder: Path, body: str) -> Path:
    """Write a script that finds the folder of the run in ``folder``. Return its path."""
    path = folder / "script.py"
    path.write_text(
        "import json, os, pathlib, signal, sys, time\n"
        "folder = pathlib.Path(sys.argv[2].removeprefix('hydra.run.dir=').strip(\"'\"))\n" + textwrap.dedent(body)
    )
    return path


def run(folder: Path, body: str) -> JobState:
    return run_job(JOB_OF_TEST, folder=folder / "s50", script=script(folder, body))


WRITE = """(folder / "metrics.json").write_text('{"run": {"stages": {"dense": "1", "prune": "2"}}}')\n"""


def test_a_job_with_metrics_is_finished(tmp_path):
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
            "print('error: stopped by SIGTERM; the same command continues'); sys.exit(143)",
            KILLED,
            "stopped by SIGTERM; the same command continues",
        ),
    ],
)
def test_every_other_end_has_a_reason(tmp_path, body, status, reason):
    state = run(tmp_path, body)
    assert (state.status, state.reason) == (status, reason)
    assert not is_done(JOB_OF_TEST, tmp_path / "s50")


def test_metrics_of_an_earlier_attempt_are_removed(tmp_path):
    run(tmp_path, WRITE)
    state = run(tmp_path, "sys.exit('error: later')")
    assert (state.status, state.attempts) == (FAILED, 2)
    assert not (tmp_path / "s50" / METRICS).exists()


def test_a_running_job_touches_its_record(tmp_path, monkeypatch):
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


@pytest.mark.parametrize("content", ["[]", '{"run": []}', '{"run": {"stages": ["dense"]}}', "{}", "half"])
def test_a_job_with_unreadable_metrics_is_not_done(tmp_path, content):
    JobState("s50", FINISHED).write(tmp_path)
    (tmp_path / METRICS).write_text(content)
    assert not is_done(JOB_OF_TEST, tmp_path)


def test_a_job_ends_if_its_supervisor_is_killed(tmp_path):
    """A killed supervisor cannot end its child, so the child notices this itself."""
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


def test_a_job_records_its_process_and_its_command(tmp_path, monkeypatch):
    monkeypatch.setenv(INVOCATION, "this one")
    script = tmp_path / "script.py"
    script.write_text("raise SystemExit(3)")
    state = run_job(Job("a-1", (), {}), folder=tmp_path / "a-1", script=script)
    assert state.invocation == "this one"
    assert abs(state.pid_begun - psutil.Process().create_time()) < 3600

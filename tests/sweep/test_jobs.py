"""Records of a sweep and of its jobs on disk, intact or damaged."""

import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from compression.core.errors import InputError
from compression.sweep.jobs import (
    BROKEN,
    FINISHED,
    INTERRUPTED,
    JOB,
    METRICS,
    OUTPUT,
    RUNNING,
    WAITING,
    JobState,
    read_log_line,
    read_state,
    read_sweep,
)
from compression.sweep.report.records import read_records
from compression.system.processes import SILENCE


def test_a_job_without_its_process_is_interrupted(tmp_path):
    pid = next(pid for pid in range(2**22 - 1, 0, -1) if not psutil.pid_exists(pid))
    state = JobState("s50", FINISHED, host=socket.gethostname(), attempts=1)
    replace(state, status=RUNNING, pid=pid).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == INTERRUPTED
    here = psutil.Process().create_time()
    replace(state, status=RUNNING, pid=os.getpid(), pid_begun=here).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == RUNNING
    # The PID belongs to another process now. A record without a start time is judged by the PID alone.
    replace(state, status=RUNNING, pid=os.getpid(), pid_begun=here - 60).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == INTERRUPTED
    replace(state, status=RUNNING, pid=os.getpid(), pid_begun=None).write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == RUNNING
    replace(state, status=RUNNING, pid=pid, host="elsewhere").write(tmp_path / "s50")
    assert read_state(tmp_path / "s50").status == RUNNING
    # On another machine only the record shows that the job runs, because the job keeps touching it.
    silent = time.time() - SILENCE - 1
    os.utime(tmp_path / "s50" / JOB, (silent, silent))
    known = read_state(tmp_path / "s50")
    assert (known.status, known.reason) == (INTERRUPTED, "elsewhere has been silent for 15 minutes; run it again")


def test_a_job_whose_process_is_a_zombie_is_interrupted(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    started = psutil.Process(child.pid).create_time()
    JobState("s50", RUNNING, pid=child.pid, pid_begun=started, host=socket.gethostname()).write(tmp_path)
    assert read_state(tmp_path).status == INTERRUPTED
    child.wait()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"name": "s50", "sta', "job.json: not valid JSON (unterminated string starting at)"),
        ("[]", "job.json: must be a mapping"),
        (
            '{"schema_version": 9, "status": "failed"}',
            "job.json: schema_version=9: is newer than 1, the newest",
        ),
        ('{"schema_version": 1, "status": []}', "job.json: status=[]: must be one of finished, running, "),
        ('{"schema_version": 1, "status": "running", "begun": "once"}', "job.json: Invalid isoformat string: 'once'"),
        (
            '{"schema_version": 1, "status": "running", "begun": "2026-01-01T00:00:00"}',
            "00:00': must have a time zone",
        ),
        ('{"schema_version": 1, "status": "running", "pid": "7"}', "job.json: pid='7': must be an integer or none"),
        ('{"schema_version": 1, "status": "running", "pid": 1' + 30 * "0" + "}", "job.json: pid=1000"),
        ('{"schema_version": 1, "status": "failed", "seconds": 1e300}', "seconds=1e+300: must be a number < 1e+300"),
        (
            '{"schema_version": 1, "status": "failed", "seconds": Infinity}',
            "job.json: seconds=inf: must be a number",
        ),
    ],
)
def test_an_unreadable_record_is_a_broken_job_with_a_reason(tmp_path, content, reason):
    assert read_state(tmp_path / "none").status == WAITING
    (tmp_path / JOB).write_text(content)
    assert read_state(tmp_path).status == BROKEN
    assert reason in str(read_state(tmp_path).reason)
    # metrics.json is written at the very end, so its job is finished.
    (tmp_path / METRICS).write_text("{}")
    assert read_state(tmp_path).status == FINISHED
    assert reason in str(read_state(tmp_path).reason)


@pytest.mark.parametrize("number", [-1, 0, 2**40, 2**62])
def test_an_impossible_pid_is_an_interrupted_job(tmp_path, number):
    JobState("s50", RUNNING, pid=number, host=socket.gethostname()).write(tmp_path)
    assert read_state(tmp_path).status == INTERRUPTED


def test_the_last_line_of_the_output_is_read(tmp_path):
    assert read_log_line(tmp_path) is None
    (tmp_path / OUTPUT).write_text("one\nepoch 1\repoch 2\r\n\n")
    assert read_log_line(tmp_path) == "epoch 2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"jobs": ', "not valid JSON"),
        ("[]", "must be a mapping"),
        ('{"schema_version": 2, "jobs": []}', "schema_version=2: is newer than 1, the newest this version reads"),
        ('{"schema_version": 1, "jobs": {}}', "jobs={}: must be a list"),
        ('{"schema_version": 1, "jobs": [7]}', "jobs[0]=7: must be a mapping"),
        ('{"schema_version": 1, "jobs": [{"name": "../a"}]}', "jobs[0]: name='../a': must be the name of a folder"),
        ('{"schema_version": 1, "jobs": [{"name": ".."}]}', "jobs[0]: name='..': must be the name of a folder"),
        ('{"schema_version": 1, "jobs": [{"name": "a", "axes": [1]}]}', "jobs[0].axes=[1]: must be a mapping"),
        ('{"schema_version": 1, "jobs": [], "axes": {"x": 1}}', "axes[...]: must be a list, not an integer"),
        ('{"schema_version": 1, "jobs": [], "command": "train.py"}', "command='train.py': must be a list"),
    ],
)
def test_an_unreadable_plan_is_a_one_line_error(tmp_path, content, reason):
    (tmp_path / "sweep.json").write_text(content)
    with pytest.raises(InputError, match=re.escape(f"{tmp_path / 'sweep.json'}: ") + ".*" + re.escape(reason)):
        read_sweep(tmp_path)
    with pytest.raises(InputError, match=re.escape(reason)):
        read_records(tmp_path)

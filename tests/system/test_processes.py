import errno
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest

from compression.system import processes
from compression.system.processes import SILENCE, Process, describe_process, keep_touching

ELSEWHERE = Process("a machine of another name", 1)


def test_this_process():
    me = describe_process()
    assert me == describe_process(os.getpid())
    assert me.begun == psutil.Process().create_time()
    assert me.is_here
    assert me.is_alive()
    assert replace(me, begun=None).is_alive()


def test_a_reused_pid_is_another_process():
    me = describe_process()
    assert not replace(me, begun=me.begun - 60, start=None).is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the start in ticks")
def test_a_step_of_the_clock_makes_no_other_process():
    me = describe_process()
    assert replace(me, begun=me.begun - 60).is_alive()
    boot, ticks = me.start.split()
    assert not replace(me, start=f"{boot} {int(ticks) - 1}").is_alive()
    assert not replace(me, start=f"another boot {ticks}").is_alive()


def test_an_ended_process_is_not_alive():
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    described = describe_process(child.pid)
    assert described.is_alive()
    child.communicate(b"\n")
    assert not described.is_alive()
    assert describe_process(child.pid).begun is None


@pytest.mark.parametrize("pid", [-1, 1 << 40])
def test_an_impossible_pid_is_not_alive(pid):
    assert not replace(describe_process(), pid=pid).is_alive()


def test_a_process_on_another_machine_is_judged_by_its_heartbeat(tmp_path):
    sign = tmp_path / "sign"
    assert not ELSEWHERE.is_here
    assert not ELSEWHERE.is_alive(sign)
    sign.touch()
    assert ELSEWHERE.is_alive(sign)
    then = sign.stat().st_mtime - SILENCE - 60
    os.utime(sign, (then, then))
    assert not ELSEWHERE.is_alive(sign)
    # Without a heartbeat file it may still run.
    assert ELSEWHERE.is_alive()


def test_touching_goes_on_until_the_file_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "BEAT", 0.001)
    sign = tmp_path / "sign"
    sign.touch()
    os.utime(sign, (0, 0))
    before = set(threading.enumerate())
    keep_touching(sign)
    [thread] = set(threading.enumerate()) - before
    while sign.stat().st_mtime == 0:
        assert thread.is_alive()
    sign.unlink()
    thread.join(60)
    assert not thread.is_alive()


def test_touching_goes_on_after_an_error_of_the_file_system(tmp_path, monkeypatch):
    monkeypatch.setattr(processes, "BEAT", 0.001)
    sign, calls, real = tmp_path / "sign", [], os.utime
    sign.touch()
    real(sign, (0, 0))

    def utime(path):
        calls.append(path)
        if len(calls) == 1:
            raise OSError(errno.ESTALE, "Stale file handle")
        real(path)

    monkeypatch.setattr(os, "utime", utime)
    stop = keep_touching(sign)
    while sign.stat().st_mtime == 0:
        time.sleep(0.001)
    stop.set()


def test_touching_stops_when_the_event_is_set(tmp_path):
    before = set(threading.enumerate())
    stop = keep_touching(tmp_path / "sign")
    [thread] = set(threading.enumerate()) - before
    stop.set()
    thread.join(60)
    assert not thread.is_alive()

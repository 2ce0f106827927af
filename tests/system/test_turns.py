"""Tests of time sharing: processes that need more cores than available run in turn, others side by side."""

import multiprocessing
import os
import signal
import threading

import pytest

from compression.system import turns
from compression.system.turns import Turns, join_queue

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="turns need to know the cores")
TWO = (0, 1)


def join(folder, needed=2, cores=TWO):
    return Turns(folder, cores=cores, needed=needed)


def taker(one, taken):
    """Start a thread in which ``one`` takes its turn, adds itself to ``taken`` and leaves."""

    def take():
        one.take()
        taken.append(one)
        one.leave()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread


def test_a_process_waits_until_its_cores_are_released(tmp_path):
    first, taken = join(tmp_path), []
    first.take()
    thread = taker(join(tmp_path), taken)
    thread.join(0.1)
    assert not taken
    first.leave()
    thread.join(30)
    assert len(taken) == 1


def test_a_waiting_process_is_next_after_a_slice(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "SLICE", 0.0)
    first, taken = join(tmp_path), []
    first.take()
    first.take()
    second = join(tmp_path)
    thread = taker(second, taken)
    # A training calls take before each batch.
    while not taken:
        first.take()
    thread.join(30)
    assert taken == [second]
    first.leave()


def test_cores_are_not_released_within_a_slice(tmp_path, monkeypatch):
    monkeypatch.setattr(turns, "SLICE", 1e9)
    first, taken = join(tmp_path), []
    first.take()
    thread = taker(join(tmp_path), taken)
    for _ in range(100):
        first.take()
    assert not taken
    first.leave()
    thread.join(30)


@pytest.mark.parametrize(
    ("needed", "cores"), [((1, 1), (TWO, TWO)), ((2, 2), (TWO, (2, 3))), ((1, 2), (TWO, (1, 2, 3)))]
)
def test_processes_do_not_wait_if_cores_suffice(tmp_path, needed, cores):
    first, second = (join(tmp_path, *one) for one in zip(needed, cores, strict=True))
    first.take()
    second.take()
    first.leave()
    second.leave()


def test_a_process_that_needs_several_cores_gets_all_of_them(tmp_path):
    small, taken = [join(tmp_path, needed=1) for _ in range(2)], []
    for one in small:
        one.take()
    thread = taker(join(tmp_path, needed=2), taken)
    for one in small:
        assert not taken
        one.leave()
    thread.join(30)
    assert len(taken) == 1


def hold(folder, ready):
    join(folder).take()
    ready.set()
    signal.pause()


def test_a_killed_process_leaves_its_turn(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    process = context.Process(target=hold, args=(tmp_path, ready))
    process.start()
    assert ready.wait(30)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    one = join(tmp_path)
    one.take()
    one.leave()


def test_a_process_that_waits_too_long_continues_without_a_turn(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(turns, "PATIENCE", 0.02)
    first, second = join(tmp_path), join(tmp_path)
    first.take()
    second.take()
    second.take()
    assert caplog.text.count("continuing beside it") == 1
    second.leave()
    first.leave()


def test_the_number_of_cores_is_capped(tmp_path, monkeypatch):
    monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path))
    one = join_queue(threads=10_000)
    assert one is not None
    one.take()
    one.leave()
    [folder] = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("hindrance", ["file", "link", "read-only"])
def test_without_a_private_folder_there_are_no_turns(tmp_path, monkeypatch, hindrance):
    monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"compression-turns-{os.getuid()}"
    match hindrance:
        case "file":
            folder.touch()
        case "link":
            (tmp_path / "other").mkdir()
            folder.symlink_to(tmp_path / "other")
        case "read-only":
            monkeypatch.setattr(turns.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    assert join_queue(threads=1) is None


def test_a_system_that_does_not_report_its_cores_has_no_turns(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    assert join_queue(threads=1) is None

"""Removal of one stage, and of as many as a size limit requires."""

import subprocess
import sys
import textwrap

import pytest

from compression.stage_store import removing
from compression.stage_store.locks import StageLocks
from compression.stage_store.removing import make_room, remove
from compression.stage_store.store import Made, StageKey, Store


def made(num_bytes):
    def make(folder):
        (folder / "weights").write_bytes(bytes(num_bytes))
        return Made({})

    return make


def test_the_least_recently_used_stage_is_removed(shelf, caplog):
    caplog.set_level("INFO", logger="compression.stage_store.store")
    shelf.put("dense", "a", num_bytes=10_000, days=3)
    shelf.put("dense", "b", num_bytes=10_000, days=2)
    shelf.keys["new"] = StageKey("dense", 1, {"label": "new"})
    store = Store(shelf.root, invocation="x", max_bytes=25_000)
    store.obtain(shelf.keys["new"], made(10_000))
    assert shelf.labels() == ["b", "new"]
    assert "store  removed 10." in caplog.text
    assert shelf.keys["a"].name in caplog.text


def test_obtained_stages_stay_and_a_limit_that_cannot_hold_is_logged_once(shelf, caplog):
    caplog.set_level("INFO", logger="compression.stage_store.store")
    shelf.put("dense", "a", num_bytes=10_000)
    shelf.keys["new"] = StageKey("prune", 1, {"label": "new"})
    shelf.keys["last"] = StageKey("prune", 1, {"label": "last"})
    store = Store(shelf.root, invocation="x", max_bytes=5_000)
    assert store.obtain(shelf.keys["a"], None).reused
    store.obtain(shelf.keys["new"], made(10))
    store.obtain(shelf.keys["last"], made(10))
    assert shelf.labels() == ["a", "last", "new"]
    warnings = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(warnings) == 1
    assert warnings[0].endswith("KiB, more than store_max_bytes=4.9 KiB: the rest is in use or interrupted")
    store.release()
    shelf.keys["next"] = StageKey("prune", 1, {"label": "next"})
    Store(shelf.root, invocation="y", max_bytes=5_000).obtain(shelf.keys["next"], made(10))
    assert "a" not in shelf.labels()
    assert "next" in shelf.labels()


RUN = """
    import sys
    from pathlib import Path
    from compression.stage_store.store import Made, StageKey, Store

    def make(folder):
        (folder / "weights").write_bytes(bytes(10_000))
        return Made({})

    root, number = Path(sys.argv[1]), int(sys.argv[2])
    for job in range(10):
        store = Store(root, invocation="x", max_bytes=40_000)
        dense = store.obtain(StageKey("dense", 1, {"label": job % 2}), make)
        pruned = store.obtain(StageKey("prune", 1, {"label": [number, job]}, (dense.id,)), make)
        for record in (dense, pruned):
            assert (record.path / "weights").stat().st_size == 10_000
        store.release()
"""


def test_two_processes_under_one_limit(shelf):
    """Neither process removes a stage that the other reads, and in the end the limit holds."""
    code = [sys.executable, "-c", textwrap.dedent(RUN), str(shelf.root)]
    processes = [subprocess.Popen([*code, str(number)]) for number in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    total = sum(path.stat().st_size for path in shelf.root.rglob("*") if path.is_file())
    # At the end both processes held a dense and a pruned stage.
    assert total < 45_000
    assert not list((shelf.root / ".locks").glob("*.use"))
    assert not list(shelf.root.glob("*.old"))


def test_a_kill_during_a_removal_leaves_no_half_stage(shelf, monkeypatch):
    shelf.put("dense", "dense")

    def cut_off(path, **_):
        if path.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(removing.shutil, "rmtree", cut_off)
    with pytest.raises(KeyboardInterrupt):
        remove(StageLocks(shelf.root), shelf.entry("dense"))
    monkeypatch.undo()
    assert shelf.labels() == ["dense.old"]
    assert shelf.plan(keep_days=99) == [("dense", "leftover of a removal", False)]
    shelf.put("dense", "dense")
    assert shelf.labels() == ["dense"]


def test_room_is_left_for_the_expected_stage(shelf):
    """The room left free is the size of the largest stage of that kind."""
    shelf.put("dense", "a", num_bytes=10_000, days=3)
    shelf.put("dense", "b", num_bytes=10_000, days=2)
    locks = StageLocks(shelf.root)
    gone, total = make_room(shelf.root, locks, max_bytes=25_000, expect="prune", when_waiting=lambda: None)
    assert (gone, 20_000 < total < 20_000 + 2 * shelf.OVERHEAD) == ([], True)
    gone, total = make_room(shelf.root, locks, max_bytes=25_000, expect="dense", when_waiting=lambda: None)
    assert [entry.id for entry in gone] == [shelf.keys["a"].id]
    assert 10_000 < total < 10_000 + shelf.OVERHEAD

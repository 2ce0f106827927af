import errno
import subprocess
import sys
import textwrap

import pytest
from filelock import FileLock

from compression.stage_store.locks import StageLocks
from compression.stage_store.removing import remove


def test_a_stage_in_use_is_not_removed(shelf):
    shelf.put("dense", "read")
    shelf.put("dense", "made")
    locks = StageLocks(shelf.root)
    with locks.taken(shelf.keys["made"].name, when_waiting=lambda: None):
        use = locks.use(shelf.keys["read"].name)
        assert sorted(shelf.plan()) == [("made", "no run needs it", True), ("read", "no run needs it", True)]
        assert not remove(locks, shelf.entry("read"))
        assert not remove(locks, shelf.entry("made"))
        locks.stop_using(use)
        assert remove(locks, shelf.entry("read"))
    assert shelf.labels() == ["made"]


HOLD = """
    import sys, time
    from pathlib import Path
    from compression.stage_store.store import Made, StageKey, Store

    store = Store(Path(sys.argv[1]), invocation="other")
    store.obtain(StageKey("dense", 1, {"label": "read"}), lambda folder: Made({}))
    print("here", flush=True)
    time.sleep(60)
"""


def test_a_killed_reader_frees_its_stage(shelf):
    shelf.put("dense", "read")
    code = [sys.executable, "-c", textwrap.dedent(HOLD), str(shelf.root)]
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        assert not remove(StageLocks(shelf.root), shelf.entry("read"))
        assert len(list((shelf.root / ".locks").glob("*.use"))) == 1
        process.kill()
    assert remove(StageLocks(shelf.root), shelf.entry("read"))
    assert not list((shelf.root / ".locks").glob("*.use"))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_where_no_lock_can_be_written_the_use_is_not_known(shelf, monkeypatch, number):
    shelf.put("dense", "one")
    name = shelf.keys["one"].name
    locks = StageLocks(shelf.root)
    assert locks.is_in_use(name) is False

    def refuse(*_, **__):
        raise OSError(number, "refused")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert locks.is_in_use(name) is None
    assert shelf.plan() == [("one", "no run needs it", None)]
    with pytest.raises(OSError, match="refused"):
        remove(locks, shelf.entry("one"))
    assert shelf.labels() == ["one"]


def test_another_fault_of_a_lock_is_an_error(shelf, monkeypatch):
    shelf.put("dense", "one")

    def fail(*_, **__):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(FileLock, "acquire", fail)
    with pytest.raises(OSError, match="broken"):
        StageLocks(shelf.root).is_in_use(shelf.keys["one"].name)

import subprocess
import sys
import textwrap

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

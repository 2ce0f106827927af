import json
import subprocess
import sys
import textwrap

import pytest

from compression.store import Store
from compression.storekeeping import removing
from compression.storekeeping.cleaning import Rules, clean, plan_cleaning
from compression.storekeeping.entries import list_entries, spread_use
from compression.storekeeping.locks import StageLocks
from compression.storekeeping.references import find_references, refer, refer_only, with_needed
from compression.storekeeping.removing import make_room, remove

OVERHEAD = 700  # a stage.json has 300 to 700 bytes


def plan(shelf, references=(), **rules):
    found = plan_cleaning(shelf.root, references=set(references), rules=Rules(**rules), now=shelf.now)
    names = {key.name: label for label, key in shelf.keys.items()}
    return [(names[one.entry.name], one.reason, one.in_use) for one in found]


def entry_of(shelf, label):
    return next(entry for entry in list_entries(shelf.root) if entry.name == shelf.keys[label].name)


def test_what_no_run_names_goes(shelf):
    dense = shelf.put("dense", "dense")
    pruned = shelf.put("prune", "pruned", parents=[dense])
    shelf.put("prune", "other", parents=[dense])
    shelf.put("dense", "lonely", days=3)
    assert plan(shelf, [pruned]) == [("lonely", "of no run", False), ("other", "of no run", False)]
    assert plan(shelf, [pruned], keep_days=2) == [("lonely", "of no run", False)]
    assert plan(shelf, [pruned], keep_days=4) == []
    clean(shelf.root, plan_cleaning(shelf.root, references={pruned}, rules=Rules(), now=shelf.now))
    assert shelf.labels() == ["dense", "pruned"]


def test_evaluations_and_the_dense_files_of_a_run_stay(shelf):
    """``metrics.json`` names neither of the two."""
    dense = shelf.put("dense", "dense")
    dense_files = shelf.put("export", "dense files", parents=[dense])
    pruned = shelf.put("prune", "pruned", parents=[dense])
    files = shelf.put("export", "files", parents=[pruned])
    shelf.put("evaluate", "evaluation", parents=[dense, dense_files, files, pruned])
    gone = shelf.put("prune", "gone", parents=[dense])
    gone_files = shelf.put("export", "gone files", parents=[gone])
    shelf.put("evaluate", "gone evaluation", parents=[dense, dense_files, gone_files, gone])
    entries = list_entries(shelf.root)
    names = {key.id: label for label, key in shelf.keys.items()}
    kept = {names[one] for one in with_needed(entries, {dense, pruned, files})}
    assert kept == {"dense", "dense files", "pruned", "files", "evaluation"}
    # A run that did not prune: its evaluation is of the dense files alone.
    shelf.put("evaluate", "plain evaluation", parents=[dense, dense_files, dense_files])
    names = {key.id: label for label, key in shelf.keys.items()}
    kept = {names[one] for one in with_needed(list_entries(shelf.root), {dense, dense_files})}
    assert kept == {"dense", "dense files", "plain evaluation"}


def test_who_uses_a_stage_uses_its_parents(shelf):
    old = shelf.put("dense", "old dense", days=9)
    shelf.put("prune", "young prune", days=1, parents=[old])
    shelf.put("dense", "dense", days=5)
    names = {key.id: label for label, key in shelf.keys.items()}
    assert [names[entry.id] for entry in spread_use(list_entries(shelf.root))] == ["dense", "young prune", "old dense"]


def test_a_size_takes_the_least_recently_used_first_and_no_more_than_needed(shelf):
    shelf.put("dense", "a", num_bytes=10_000, days=3)
    shelf.put("dense", "b", num_bytes=10_000, days=2)
    shelf.put("dense", "c", num_bytes=10_000, days=1)
    total = sum(entry.num_bytes for entry in list_entries(shelf.root))
    assert 30_000 < total < 30_000 + 3 * OVERHEAD
    assert plan(shelf, max_bytes=total) == []
    assert plan(shelf, max_bytes=total - 1) == [("a", "of no run", False)]
    assert [label for label, *_ in plan(shelf, max_bytes=15_000)] == ["a", "b"]
    a = shelf.keys["a"].id
    assert [label for label, *_ in plan(shelf, [a], max_bytes=15_000)] == ["b", "c"]
    assert plan(shelf, [a], max_bytes=0) == [("b", "of no run", False), ("c", "of no run", False)]
    assert plan(shelf, [a], max_bytes=0, also_of_runs=True)[-1] == ("a", "least recently used", False)


def test_interrupted_work_of_a_run_stays_unless_asked(shelf):
    mine = shelf.interrupt("dense", "mine")
    shelf.interrupt("dense", "nobody's")
    now = {"keep_days": -1e6}
    assert plan(shelf, [mine], **now) == [("nobody's", "interrupted, of no run", False)]
    assert len(plan(shelf, [mine], interrupted=True, **now)) == 2
    rules = Rules(interrupted=True, **now)
    clean(shelf.root, plan_cleaning(shelf.root, references={mine}, rules=rules, now=shelf.now))
    assert shelf.labels() == []


def test_a_stage_that_is_made_or_read_stays(shelf):
    shelf.put("dense", "read")
    shelf.put("dense", "made")
    locks = StageLocks(shelf.root)
    with locks.taken(shelf.keys["made"].name, when_waiting=lambda: None):
        use = locks.use(shelf.keys["read"].name)
        assert sorted(plan(shelf)) == [("made", "of no run", True), ("read", "of no run", True)]
        assert not remove(locks, entry_of(shelf, "read"))
        assert not remove(locks, entry_of(shelf, "made"))
        locks.stop_using(use)
        assert remove(locks, entry_of(shelf, "read"))
    assert shelf.labels() == ["made"]


HOLD = """
    import sys, time
    from pathlib import Path
    from compression.store import Made, StageKey, Store

    store = Store(Path(sys.argv[1]), invocation="other")
    store.obtain(StageKey("dense", 1, {"label": "read"}), lambda folder: Made({}))
    print("here", flush=True)
    time.sleep(60)
"""


def test_another_process_reads_it_until_it_is_killed(shelf):
    shelf.put("dense", "read")
    code = [sys.executable, "-c", textwrap.dedent(HOLD), str(shelf.root)]
    with subprocess.Popen(code, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "here\n"
        assert not remove(StageLocks(shelf.root), entry_of(shelf, "read"))
        assert len(list((shelf.root / ".locks").glob("*.use"))) == 1
        process.kill()
    assert remove(StageLocks(shelf.root), entry_of(shelf, "read"))
    assert not list((shelf.root / ".locks").glob("*.use"))


def test_a_kill_in_the_middle_of_removing_leaves_no_half_stage(shelf, monkeypatch):
    shelf.put("dense", "dense")

    def cut_off(path, **_):
        if path.exists():
            raise KeyboardInterrupt

    monkeypatch.setattr(removing.shutil, "rmtree", cut_off)
    with pytest.raises(KeyboardInterrupt):
        remove(StageLocks(shelf.root), entry_of(shelf, "dense"))
    monkeypatch.undo()
    assert shelf.labels() == ["dense.old"]
    assert plan(shelf, keep_days=99) == [("dense", "left of a removal", False)]
    shelf.put("dense", "dense")
    assert shelf.labels() == ["dense"]


def test_room_for_what_comes(shelf):
    """As much is left free as the largest stage of that kind has."""
    shelf.put("dense", "a", num_bytes=10_000, days=3)
    shelf.put("dense", "b", num_bytes=10_000, days=2)
    locks = StageLocks(shelf.root)
    gone, total = make_room(shelf.root, locks, max_bytes=25_000, expect="prune", when_waiting=lambda: None)
    assert (gone, 20_000 < total < 20_000 + 2 * OVERHEAD) == ([], True)
    gone, total = make_room(shelf.root, locks, max_bytes=25_000, expect="dense", when_waiting=lambda: None)
    assert [entry.id for entry in gone] == [shelf.keys["a"].id]
    assert 10_000 < total < 10_000 + OVERHEAD


def test_references_of_run_folders_at_any_depth(tmp_path):
    store, run, job = (tmp_path / name for name in ("store", "run", "sweep/job"))
    for folder in (store / "data", run, job):
        folder.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps({"run": {"stages": {"dense": "d1", "export": "e1"}}}))
    refer(job, "dense-d2")
    refer(job, "prune-p2")
    refer(job, "dense-d2")
    assert (job / "stages.txt").read_text() == "dense-d2\nprune-p2\n"
    refer(store / "data", "dense-d3")
    (tmp_path / "metrics.json").write_text("[1]")
    assert find_references([tmp_path], leave_out=store) == {"d1", "e1", "d2", "p2"}
    refer_only(job, ["dense-d4"])
    assert find_references([job], leave_out=store) == {"d4"}
    (run / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"metrics.json is not JSON: what it refers to is not known"):
        find_references([tmp_path], leave_out=store)
    (job / "stages.txt").write_bytes(b"dense-d2\n\xff\xfe")
    with pytest.raises(ValueError, match=r"stages.txt is not text: what it refers to is not known"):
        find_references([job], leave_out=store)
    # A run that begins there goes on, and leaves it whole.
    refer(job, "dense-d5")
    refer_only(job, ["dense-d5"])
    assert find_references([job], leave_out=store) == {"d5"}


def test_the_time_of_a_folder_is_that_of_its_last_use(shelf):
    shelf.put("dense", "dense", days=9)
    assert entry_of(shelf, "dense").used == shelf.now - 9 * 24 * 3600
    record = shelf.root / shelf.keys["dense"].name / "stage.json"
    before = record.stat().st_mtime_ns
    store = Store(shelf.root, invocation="test")
    assert store.obtain(shelf.keys["dense"], None).reused
    store.release()
    assert entry_of(shelf, "dense").used > entry_of(shelf, "dense").made - 1
    assert record.stat().st_mtime_ns == before

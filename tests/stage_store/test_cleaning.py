from compression.stage_store.cleaning import Rules, clean, plan_cleaning
from compression.stage_store.entries import list_entries


def test_stages_that_no_run_needs_are_removed(shelf):
    dense = shelf.put("dense", "dense")
    pruned = shelf.put("prune", "pruned", parents=[dense])
    shelf.put("prune", "other", parents=[dense])
    shelf.put("dense", "lonely", days=3)
    assert shelf.plan([pruned]) == [("lonely", "no run needs it", False), ("other", "no run needs it", False)]
    assert shelf.plan([pruned], keep_days=2) == [("lonely", "no run needs it", False)]
    assert shelf.plan([pruned], keep_days=4) == []
    clean(shelf.root, plan_cleaning(shelf.root, references={pruned}, rules=Rules(), now=shelf.now))
    assert shelf.labels() == ["dense", "pruned"]


def test_a_size_limit_removes_the_least_recently_used_and_no_more_than_needed(shelf):
    shelf.put("dense", "a", num_bytes=10_000, days=3)
    shelf.put("dense", "b", num_bytes=10_000, days=2)
    shelf.put("dense", "c", num_bytes=10_000, days=1)
    total = sum(entry.num_bytes for entry in list_entries(shelf.root))
    assert 30_000 < total < 30_000 + 3 * shelf.OVERHEAD
    assert shelf.plan(max_bytes=total) == []
    assert shelf.plan(max_bytes=total - 1) == [("a", "no run needs it", False)]
    assert [label for label, *_ in shelf.plan(max_bytes=15_000)] == ["a", "b"]
    a = shelf.keys["a"].id
    assert [label for label, *_ in shelf.plan([a], max_bytes=15_000)] == ["b", "c"]
    assert shelf.plan([a], max_bytes=0) == [("b", "no run needs it", False), ("c", "no run needs it", False)]
    assert shelf.plan([a], max_bytes=0, also_of_runs=True)[-1] == ("a", "least recently used", False)


def test_interrupted_work_of_a_run_stays_by_default(shelf):
    mine = shelf.interrupt("dense", "mine")
    shelf.interrupt("dense", "nobody's")
    now = {"keep_days": -1e6}
    assert shelf.plan([mine], **now) == [("nobody's", "interrupted, no run needs it", False)]
    assert len(shelf.plan([mine], interrupted=True, **now)) == 2
    rules = Rules(interrupted=True, **now)
    clean(shelf.root, plan_cleaning(shelf.root, references={mine}, rules=rules, now=shelf.now))
    assert shelf.labels() == []

from compression.stage_store.planning import PlanningStore
from compression.stage_store.store import Made, StageKey, Store

KEY = StageKey("dense", 1, {"seed": 1})


def refuse(folder):
    raise AssertionError(f"a plan makes nothing, but would write into {folder}")


def test_a_missing_stage_is_planned_and_leaves_no_trace(tmp_path):
    root = tmp_path / "store"
    record = PlanningStore(Store(root, invocation="a")).obtain(KEY, refuse)
    assert (record.planned, record.results, record.id) == (True, {}, KEY.id)
    assert not root.exists()


def test_a_finished_stage_is_found(tmp_path):
    store = Store(tmp_path, invocation="a")
    store.obtain(KEY, lambda _: Made({"accuracy": 0.5}))
    store.release()
    record = PlanningStore(store).obtain(KEY, refuse)
    assert (record.planned, record.reused, record.results) == (False, True, {"accuracy": 0.5})


def test_with_overwrite_it_is_planned_again(tmp_path):
    store = Store(tmp_path, invocation="a")
    store.obtain(KEY, lambda _: Made({}))
    store.release()
    again = Store(tmp_path, invocation="b", overwrite=True)
    assert PlanningStore(again).obtain(KEY, refuse).planned

from safetensors.torch import load_file
from trained_store import same


def test_the_dense_stage_keeps_initial_and_early_weights(shared):
    dense = shared("until=dense")["dense"]
    initial, early, last = (load_file(dense.path / f"{name}.safetensors") for name in ("initial", "early", "model"))
    assert initial.keys() == early.keys() == last.keys()
    assert not same(initial, early)
    assert not same(early, last)
    assert not initial["features.1.running_mean"].any()


def test_dense_training_that_stops_before_the_early_epoch_has_early_weights(make, finished):
    stopping = "callbacks=early_stopping callbacks.early_stopping.patience=1 +callbacks.early_stopping.min_delta=0.9"
    start = "strategy=oneshot_l1 strategy.start=early strategy.recovery.epochs=0"
    make("prune", f"{stopping} training.early_epoch=3 {start}")
    stopped = next(
        found for found in finished("dense") if found.record["key"]["inputs"]["training"]["early_epoch"] == 3
    )
    assert (stopped.path / "early.safetensors").exists()

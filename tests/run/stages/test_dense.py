from safetensors.torch import load_file, save_file
from tiny_net import TinyNet
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


def test_a_training_starts_from_weights_of_other_classes(make, tmp_path):
    given = TinyNet(num_classes=4, width=32)
    save_file(given.state_dict(), tmp_path / "given.safetensors")
    made = make("dense", f"model.weights={tmp_path}/given.safetensors training.freeze_epochs=1 training.epochs=2")
    initial, early, last = (load_file(made.path / f"{name}.safetensors") for name in ("initial", "early", "model"))
    body = {name: value for name, value in given.state_dict().items() if not name.startswith("classifier.")}
    # The early weights are those after the first epoch, in which only the head has learned.
    assert all(initial[name].equal(value) and early[name].equal(value) for name, value in body.items())
    assert not early["classifier.weight"].equal(initial["classifier.weight"])
    assert last["classifier.weight"].shape == (10, 64)
    assert len(made.results["history"]) == 2
    assert {"weights", "training"} <= made.record["key"]["inputs"].keys()


def test_a_training_starts_from_weights_that_fit(make, tmp_path):
    given = TinyNet(num_classes=10, width=32)
    save_file(given.state_dict(), tmp_path / "given.safetensors")
    made = make("dense", f"model.weights={tmp_path}/given.safetensors training.fine_tune=true training.epochs=2")
    initial, last = (load_file(made.path / f"{name}.safetensors") for name in ("initial", "model"))
    assert same(initial, given.state_dict())
    assert not same(last, given.state_dict())
    assert len(made.results["history"]) == 2


def test_weights_that_fit_replace_the_training(make, tmp_path):
    given = TinyNet(num_classes=10, width=32)
    save_file(given.state_dict(), tmp_path / "given.safetensors")
    made = make("dense", f"model.weights={tmp_path}/given.safetensors")
    assert same(load_file(made.path / "model.safetensors"), given.state_dict())
    assert made.results["history"] == []
    assert "training" not in made.record["key"]["inputs"]

"""Files, start and end of the prune stage."""

import pytest
import torch
from safetensors.torch import load_file
from trained_store import copy_store, same

import compression
from compression.callbacks.pruning import PruningCallback
from compression.core.counting import model_sparsity
from compression.core.masks import MaskSet
from compression.run.stages import prune

STEPS = "strategy=iterative_l1 strategy.schedule.steps=3 sparsity=0.9"
# The learning rate is so low that recovery wins back almost no accuracy.
FALLING = "strategy=iterative_l1 strategy.schedule.steps=4 sparsity=0.97 strategy.recovery.lr_factor=0.01"


def test_every_step_has_a_file_and_a_row(shared):
    stages = shared(f"{STEPS} until=prune")
    made = stages["prune"]
    rows = made.results["pruning_history"]
    updates = stages["dense"].results["history"][0]["update"]
    assert [(row["step"], row["update"]) for row in rows] == [(1, 0), (2, updates), (3, 2 * updates)]
    assert [path.name for path in sorted((made.path / "steps").iterdir())] == ["01.cmp", "02.cmp", "03.cmp"]
    for row in rows:
        file = made.path / "steps" / f"{row['step']:02d}.cmp"
        assert row["bytes"] == file.stat().st_size
        model = compression.load(file, allow=["tiny_net"])
        assert model_sparsity(model) == row["sparsity"]
        assert model.features[0].weight.shape == (32, 3, 3, 3)
    assert [row["sparsity"] for row in rows] == pytest.approx([1 - 0.1 ** (k / 3) for k in (1, 2, 3)], abs=1e-4)
    assert sorted((row["bytes"] for row in rows), reverse=True) == [row["bytes"] for row in rows]
    # Each step has one epoch of recovery, so the accuracies of step and epoch are the same.
    assert [row["accuracy_after"] for row in rows] == [row["val/accuracy"] for row in made.results["history"]]
    assert made.results["val_accuracy"] == rows[-1]["accuracy_after"]
    assert made.results["sparsity"] == rows[-1]["sparsity"]
    assert made.results["stopped"] is None


def test_the_learning_rate_of_recovery_may_be_given_itself(shared):
    """Dense training has 0.2, so half of it is 0.1."""
    factor, given, other = (
        shared(f"strategy=oneshot_l1 strategy.recovery.{setting} until=prune")["prune"]
        for setting in ("lr_factor=0.5", "lr=0.1", "lr=0.01")
    )
    assert given.path != factor.path
    assert given.results["history"] == factor.results["history"]
    assert other.results["history"][0]["lr"] == pytest.approx(factor.results["history"][0]["lr"] / 10)


def test_batch_norm_sees_augmented_images_and_criteria_see_plain_images(make, monkeypatch):
    seen = {}

    class Spy(PruningCallback):
        def __init__(self, strategy, **settings):
            seen.update(settings)
            super().__init__(strategy, **settings)

    monkeypatch.setattr(prune, "PruningCallback", Spy)
    make("prune", "strategy=oneshot_l1 data.augment.crop_padding=1 training.epochs=1")
    assert seen["norm_batches"].augment.crop_padding == 1
    assert seen["batches"].augment is None
    first, again = (next(iter(seen["norm_batches"]))[0] for _ in range(2))
    assert torch.equal(first, again), "a resumed training sees the same images"


def test_the_stage_keeps_the_model_of_the_last_step(shared):
    made = shared(f"{STEPS} until=prune")["prune"]
    weights = load_file(made.path / "model.safetensors")
    assert same(compression.load(made.path / "steps" / "03.cmp", allow=["tiny_net"]).state_dict(), weights)
    masks = MaskSet(load_file(made.path / "masks.safetensors"))
    assert masks.hold(weights)
    assert masks.sparsity == made.results["sparsity"]
    assert masks.layer_sparsity == made.results["layer_sparsity"]


def test_pruning_goes_to_the_end_within_the_allowed_drop(shared):
    made = shared(f"{FALLING} strategy.max_accuracy_drop=100 until=prune")["prune"]
    assert made.results["stopped"] is None
    assert [row["step"] for row in made.results["pruning_history"]] == [1, 2, 3, 4]


# Accuracies depend on the machine's last bits, so the allowed drop is chosen between the accuracies of two steps. The
# first two steps lose a few images, the third and the fourth lose many.
@pytest.mark.parametrize("kept", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_last_model_within_the_allowed_drop_is_kept(make, shared, kept):
    stages = shared(f"{FALLING} strategy.max_accuracy_drop=100 until=prune")
    reached = [row["accuracy_after"] for row in stages["prune"].results["pruning_history"]]
    worst, next_one = min(reached[:kept]), reached[kept]
    assert worst - next_one > 0.05
    drop = round(100 * (stages["dense"].results["val_accuracy"] - (worst + next_one) / 2), 3)
    assert drop > 0
    made = make("prune", f"{FALLING} strategy.max_accuracy_drop={drop}")
    results, rows = made.results, made.results["pruning_history"]
    assert [row["accuracy_after"] for row in rows] == reached[: kept + 1]
    # The step that costs too much has a row and a file, too.
    num_steps = kept + 1
    assert len(list((made.path / "steps").iterdir())) == num_steps == len(results["history"])
    assert results["stopped"] == (
        f"step {num_steps} ({100 * rows[-1]['sparsity']:.1f} % sparse) has "
        f"{100 * rows[-1]['accuracy_after']:.2f} % validation accuracy, more than "
        f"strategy.max_accuracy_drop={drop} points below the dense model; kept step {kept}"
    )
    assert results["val_accuracy"] == rows[kept - 1]["accuracy_after"]
    assert results["sparsity"] == rows[kept - 1]["sparsity"]
    weights = load_file(made.path / "model.safetensors")
    step = compression.load(made.path / "steps" / f"{kept:02d}.cmp", allow=["tiny_net"])
    assert same(step.state_dict(), weights)
    assert MaskSet(load_file(made.path / "masks.safetensors")).hold(weights)


def test_the_dense_model_is_kept_if_the_first_step_costs_too_much(shared):
    steep = "strategy=iterative_random strategy.schedule.steps=3 sparsity=0.97"
    stages = shared(f"{steep} strategy.max_accuracy_drop=0 until=prune")
    made, dense = stages["prune"], stages["dense"]
    assert [row["step"] for row in made.results["pruning_history"]] == [1]
    assert made.results["stopped"].endswith("kept the dense model")
    assert made.results["sparsity"] == 0
    assert made.results["val_accuracy"] == dense.results["val_accuracy"]
    assert same(load_file(made.path / "model.safetensors"), load_file(dense.path / "model.safetensors"))
    assert all(mask.all() for mask in load_file(made.path / "masks.safetensors").values())


@pytest.mark.parametrize(("start", "file"), [("dense", "model"), ("initial", "initial"), ("early", "early")])
def test_pruning_starts_from_the_configured_weights(shared, start, file):
    # Without training, the kept weights do not change.
    stages = shared(f"strategy=oneshot_l1 strategy.start={start} strategy.recovery.epochs=0 until=prune")
    made, dense = stages["prune"], stages["dense"]
    before = load_file(dense.path / f"{file}.safetensors")
    weights = load_file(made.path / "model.safetensors")
    for name, mask in load_file(made.path / "masks.safetensors").items():
        assert torch.equal(weights[name], before[name] * mask), name
    assert torch.equal(weights["classifier.bias"], before["classifier.bias"])
    assert made.results["history"] == []
    [row] = made.results["pruning_history"]
    assert row["accuracy_before"] == row["accuracy_after"] == made.results["val_accuracy"]


def test_every_step_is_pruned_and_measured_without_recovery(make):
    made = make("prune", f"{STEPS} strategy.recovery.epochs=0")
    rows = made.results["pruning_history"]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert [row["update"] for row in rows] == [0, 0, 0]
    assert all(row["accuracy_before"] == row["accuracy_after"] for row in rows)
    assert made.results["sparsity"] == pytest.approx(0.9, abs=1e-4)


def test_lead_epochs_train_before_a_pruning_without_recovery(make):
    settings = "strategy.recovery.epochs=0 strategy.recovery.lead_epochs=1 strategy.recovery.batch_norm_l1=1e-3"
    made = make("prune", f"{STEPS} {settings}")
    assert [row["epoch"] for row in made.results["history"]] == [1]
    updates = made.results["history"][-1]["update"]
    assert [row["update"] for row in made.results["pruning_history"]] == [updates] * 3


@pytest.mark.parametrize("strategy", ["rigl", pytest.param("set", marks=pytest.mark.slow)])
def test_sparse_training_is_one_step_at_constant_sparsity(make, strategy):
    made = make("prune", f"strategy={strategy} training.epochs=3 strategy.schedule.steps=4")
    [row] = made.results["pruning_history"]
    assert (row["step"], row["update"]) == (1, 0)
    assert row["sparsity"] == made.results["sparsity"] == pytest.approx(0.9, abs=1e-4)
    assert len(made.results["history"]) == 3
    # Weights move during the first three quarters of the training. The model comes from an epoch after the last move.
    assert row["accuracy_after"] == made.results["history"][-1]["val/accuracy"] == made.results["val_accuracy"]


@pytest.mark.slow
def test_the_lottery_ticket_trains_each_step_as_long_as_the_dense_model(make, finished):
    made = make("prune", "strategy=lottery_ticket strategy.schedule.steps=2")
    assert len(made.results["history"]) == 2 * len(finished("dense")[0].results["history"])
    [_, last] = made.results["pruning_history"]
    best = max(row["val/accuracy"] for row in made.results["history"][3:])
    assert last["accuracy_after"] == best


@pytest.mark.parametrize("strategy", ["iterative_random", "rigl"])
@pytest.mark.slow
def test_the_same_command_in_another_folder_makes_the_same_masks(make, trained, tmp_path, strategy):
    command = f"strategy={strategy} strategy.schedule.steps=2"
    other = copy_store(trained, tmp_path / "again")
    made, again = make("prune", command), make("prune", command, folder=other)
    assert again.path.name == made.path.name
    for name in ("masks.safetensors", "model.safetensors", "steps/01.cmp"):
        assert (again.path / name).read_bytes() == (made.path / name).read_bytes()


@pytest.mark.slow
def test_another_seed_prunes_different_weights(make, finished):
    command = "strategy=oneshot_random strategy.recovery.epochs=0"
    weights = finished("dense")[0].path / "model.safetensors"
    masks = [
        (make("prune", f"{command} model.weights={weights} seed={seed}").path / "masks.safetensors").read_bytes()
        for seed in (1, 2)
    ]
    assert masks[0] != masks[1]


def test_the_recipes_name_and_finetuning_do_not_change_the_stage_key(shared):
    made = shared(f"{STEPS} until=prune")["prune"]
    again = shared(f"{STEPS} strategy.name=mine strategy.finetune.lr_factor=0.5 until=prune")["prune"]
    assert again.path == made.path


def test_predicted_time_of_single_weights_is_removed_as_asked(shared):
    """A weight costs 100 ps and 150 ps for each vector of 8 of its 64, 16 and 1 output positions."""
    made = shared(f"{STEPS} strategy.target=latency until=prune")
    pruned = made["prune"].results
    masks = load_file(made["prune"].path / "masks.safetensors")
    costs = {"features.0.weight": 1300, "features.3.weight": 400, "classifier.weight": 250}
    left = sum(costs[name] * int(mask.sum()) for name, mask in masks.items())
    dense = sum(costs[name] * mask.numel() for name, mask in masks.items())
    assert pruned["removed"] == pytest.approx(1 - left / dense, abs=1e-12)
    assert 0 <= pruned["removed"] - 0.9 < 1300 / dense
    by_macs = shared(f"{STEPS} strategy.target=macs until=prune")["prune"].results
    assert pruned["layer_sparsity"]["features.0.weight"] < by_macs["layer_sparsity"]["features.0.weight"]


def test_macs_of_single_weights_are_removed_as_asked(shared):
    made = shared(f"{STEPS} strategy.target=macs until=prune")
    pruned = made["prune"].results
    masks = load_file(made["prune"].path / "masks.safetensors")
    positions = {"features.0.weight": 64, "features.3.weight": 16, "classifier.weight": 1}
    left = sum(positions[name] * int(mask.sum()) for name, mask in masks.items())
    dense = 64 * 864 + 16 * 18432 + 640
    assert pruned["removed"] == pytest.approx(1 - left / dense, abs=1e-12)
    assert 0 <= pruned["removed"] - 0.9 < 64 / dense
    assert pruned["sparsity"] == 1 - sum(int(mask.sum()) for mask in masks.values()) / (864 + 18432 + 640)
    plain = shared(f"{STEPS} until=prune")["prune"].results
    assert "removed" not in plain
    assert pruned["layer_sparsity"]["features.0.weight"] > plain["layer_sparsity"]["features.0.weight"]

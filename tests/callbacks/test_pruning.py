from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn

from compression.callbacks.best_weights import BestWeights
from compression.callbacks.epoch_seed import EpochSeed
from compression.callbacks.history import History
from compression.callbacks.pruning import PruningCallback
from compression.core.selection import prunable_weights
from compression.pruning.allocations.global_ import Global
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.weights import Weights
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.strategy import Strategy
from compression.tasks.classification import network

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:.*Checkpoint directory .* exists and is not empty.*",
)

OPTIMIZERS = {
    "sgd_momentum": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01),
    "sgd_nesterov": partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    "adam": partial(torch.optim.Adam, lr=0.01, weight_decay=0.01),
    "adam_fused": partial(torch.optim.Adam, lr=0.01, fused=True),
    "adamw_amsgrad": partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, amsgrad=True),
}


def make_strategy(*, target=0.8, schedule=None, criterion=None):
    return Strategy(
        criterion=criterion or Magnitude(),
        granularity=Weights(),
        allocation=Global(floor=1),
        schedule=schedule or Geometric(steps=2),
        target=target,
        seed=5,
    )


@pytest.fixture
def make_pruning(make_batches):
    def make(*, epochs_per_step=1, num_batches=2, **settings):
        return PruningCallback(
            make_strategy(**settings),
            epochs_per_step=epochs_per_step,
            batches=make_batches(augment=False),
            num_batches=num_batches,
        )

    return make


class ZeroWatch(Callback):
    """After every optimizer step: whatever was ever pruned is zero, and so is all that remembers it."""

    def __init__(self, pruning):
        self.pruning = pruning
        self.ever_pruned = {}
        self.changes = []
        self.num_steps = 0
        self.num_moments = 0

    def on_train_epoch_start(self, trainer, pl_module):
        del pl_module
        for name, mask in self.pruning.masks.items():
            before = self.ever_pruned.get(name, torch.zeros_like(mask))
            assert (mask <= ~before).all()
            self.ever_pruned[name] = ~mask
        self.changes.append((sum(int(pruned.sum()) for pruned in self.ever_pruned.values()), bool(trainer.global_step)))
        self.check(trainer)

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        del pl_module, outputs, batch, batch_idx
        self.num_steps += 1
        self.check(trainer)

    def check(self, trainer):
        (optimizer,) = trainer.optimizers
        for name, weight in prunable_weights(network(trainer.lightning_module)).items():
            pruned = self.ever_pruned[name]
            assert torch.equal(weight[pruned], torch.zeros(int(pruned.sum())))
            assert weight.isfinite().all()
            for value in optimizer.state.get(weight, {}).values():
                if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                    assert not value[pruned].any()
                    assert value.any()
                    self.num_moments += 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_are_exactly_zero_after_every_step(fit, make_task, make_pruning, name):
    pruning = make_pruning(target=0.9, schedule=Geometric(steps=3))
    watch = ZeroWatch(pruning)
    fit([pruning, watch], max_epochs=4, task=make_task(OPTIMIZERS[name]), gradient_clip_val=1.0)
    assert watch.num_steps == 12
    assert watch.num_moments > 0
    counts, had_momentum = zip(*watch.changes, strict=True)
    # 216, 72 and 24 weights, of which 31 are kept; momentum existed before the second and third change.
    assert counts == (167, 245, 281, 281)
    assert had_momentum == (False, True, True, True)
    assert pruning.at_target
    assert pruning.masks.sparsity == 281 / 312


def test_kept_weights_do_train(fit, make_task, make_pruning):
    task = make_task()
    before = {name: weight.detach().clone() for name, weight in prunable_weights(task.net).items()}
    pruning = make_pruning(target=0.5, schedule=OneShot())
    fit([pruning], max_epochs=1, task=task)
    for name, weight in prunable_weights(task.net).items():
        assert torch.equal(weight != 0, pruning.masks[name])
        assert (weight != before[name])[pruning.masks[name]].all()


@pytest.mark.parametrize(("epochs_per_step", "expected"), [(1, [1, 2, 3, 3, 3, 3, 3]), (2, [1, 1, 2, 2, 3, 3, 3])])
def test_a_step_every_so_many_epochs(fit, make_pruning, epochs_per_step, expected):
    pruning = make_pruning(schedule=Geometric(steps=3), epochs_per_step=epochs_per_step)
    seen = []

    class Spy(Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            del trainer, pl_module
            seen.append((pruning.step, pruning.at_target))

    fit([pruning, Spy()], max_epochs=7)
    assert [step for step, _ in seen] == expected
    assert [at_target for _, at_target in seen] == [step == 3 for step in expected]


def test_first_step_comes_before_the_first_update(fit, make_task, make_pruning):
    """The weights that are given, not weights trained further, are what one-shot pruning ranks."""
    task = make_task()
    weights = {name: weight.detach().clone() for name, weight in prunable_weights(task.net).items()}
    pruning = make_pruning(schedule=OneShot())
    fit([pruning], max_epochs=1, task=task)
    scores = {name: weight.abs() for name, weight in weights.items()}
    expected = Weights()(scores, Global(floor=1)(scores, 0.8))
    assert all(torch.equal(pruning.masks[name], expected[name]) for name in expected)


def test_validation_runs_on_statistics_of_the_weights_as_they_are(fit, make_task, make_pruning, make_batches):
    task = make_task()
    pruning = make_pruning(num_batches=3)
    fit([pruning], max_epochs=2, task=task)
    images = torch.cat([images for images, _ in make_batches(augment=False)])
    with torch.no_grad():
        features = [task.net[0](part).transpose(0, 1).flatten(1) for part in images.split(8)]
    norm = task.net[1]
    torch.testing.assert_close(norm.running_mean, torch.stack([f.mean(1) for f in features]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([f.var(1) for f in features]).mean(0))
    assert norm.momentum == 0.1


def test_no_batches_leave_the_running_statistics_of_training(fit, make_task, make_pruning):
    task = make_task()
    fit([make_pruning(num_batches=0)], max_epochs=2, task=task)
    assert int(task.net[1].num_batches_tracked) == 6


def test_a_network_without_batch_norm(fit, make_task, make_pruning):
    task = make_task()
    task.net[1], task.net[4] = nn.Identity(), nn.Identity()
    pruning = make_pruning()
    fit([pruning], max_epochs=2, task=task)
    assert pruning.masks.hold(task.net.state_dict())


def test_sparsity_is_logged_in_all_and_by_layer(fit, make_pruning):
    class Recorder(DummyLogger):
        def __init__(self):
            super().__init__()
            self.rows = []

        def log_metrics(self, metrics, step=None):
            if "sparsity" in metrics:
                self.rows.append((step, metrics))

    recorder, pruning = Recorder(), make_pruning(target=0.75)
    fit([pruning], max_epochs=2, logger=recorder)
    assert [step for step, _ in recorder.rows] == [0, 3]
    (_, first), (_, last) = recorder.rows
    assert set(first) == {"sparsity", "sparsity/0.weight", "sparsity/3.weight", "sparsity/9.weight"}
    assert (first["sparsity"], last["sparsity"]) == (0.5, 0.75)
    assert last["sparsity/0.weight"] == pruning.masks.layer_sparsity["0.weight"]


def test_state_before_training_is_empty_and_loads(make_pruning):
    fresh = make_pruning()
    assert fresh.state_dict() == {"step": 0, "masks": {}, "sparsity_steps": []}
    other = make_pruning()
    other.load_state_dict(fresh.state_dict())
    assert not other.at_target


class Killed(Exception):
    pass


class KillAt(Callback):
    """Dies in the middle of an epoch, once."""

    def __init__(self, epoch, batch):
        self.place = (epoch, batch)

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        del pl_module, batch
        if (trainer.current_epoch, batch_idx) == self.place:
            raise Killed


@pytest.fixture
def train(fit, make_task, make_pruning, tmp_path):
    """Prunes for four epochs as the prune stage does, from the last checkpoint if there is one."""

    def run(folder, *, criterion, optimizer, kill=(), epochs_per_step=1):
        pruning = make_pruning(
            criterion=criterion(), schedule=Geometric(steps=3), target=0.9, epochs_per_step=epochs_per_step
        )
        best, history = BestWeights(lambda: pruning.at_target), History()
        save = ModelCheckpoint(
            tmp_path / folder,
            filename="last",
            every_n_epochs=1,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        last = tmp_path / folder / "last.ckpt"
        callbacks = [EpochSeed(0, "prune"), pruning, best, history, save, *kill]
        task = make_task(OPTIMIZERS[optimizer])
        settings = {"task": task, "max_epochs": 4, "enable_checkpointing": True}
        fit(callbacks, ckpt_path=last if last.exists() else None, **settings)
        return task, pruning, best, history

    return run


@pytest.mark.parametrize("place", [(0, 2), (2, 0), (2, 1), (3, 0)])
@pytest.mark.parametrize(("criterion", "optimizer"), [(Magnitude, "sgd_momentum"), (Random, "adamw_amsgrad")])
def test_a_killed_run_goes_on_as_if_nothing_had_been(train, place, criterion, optimizer):
    settings = {"criterion": criterion, "optimizer": optimizer}
    task, pruning, best, history = train("whole", **settings)
    with pytest.raises(Killed):
        train("killed", kill=[KillAt(*place)], **settings)
    other_task, other_pruning, other_best, other_history = train("killed", **settings)
    assert_equal_states(other_task.net.state_dict(), task.net.state_dict())
    assert_equal_states(other_pruning.masks, pruning.masks)
    assert_equal_states(other_best.weights, best.weights)
    assert other_pruning.step == pruning.step == 3
    assert (other_best.accuracy, other_best.epoch) == (best.accuracy, best.epoch)
    assert other_history.rows == history.rows
    assert [row["epoch"] for row in history.rows] == [1, 2, 3, 4]


def test_a_run_killed_between_steps(train):
    """With two epochs a step, the checkpoint after three holds a step that is half recovered."""
    settings = {"criterion": Random, "optimizer": "sgd_nesterov", "epochs_per_step": 2}
    task, pruning, _, history = train("whole", **settings)
    with pytest.raises(Killed):
        train("killed", kill=[KillAt(3, 1)], **settings)
    other_task, other_pruning, _, other_history = train("killed", **settings)
    assert_equal_states(other_task.net.state_dict(), task.net.state_dict())
    assert_equal_states(other_pruning.masks, pruning.masks)
    assert other_history.rows == history.rows
    assert pruning.step == other_pruning.step == 2


def test_best_weights_are_of_an_epoch_at_target(train):
    _, pruning, best, _ = train("whole", criterion=Magnitude, optimizer="sgd_momentum")
    assert best.epoch in (2, 3)
    assert pruning.masks.hold(best.weights)


def test_checkpoint_holds_masks_and_position(train, tmp_path):
    _, pruning, _, _ = train("whole", criterion=Magnitude, optimizer="sgd_momentum")
    state = torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)["callbacks"]["PruningCallback"]
    assert state["step"] == 3
    assert_equal_states(state["masks"], pruning.masks)


def assert_equal_states(actual, expected):
    assert list(actual) == list(expected)
    for name, value in expected.items():
        assert torch.equal(actual[name], value), name

"""Tests of pruning in training: step times, weights that stay zero, rewinding, regrowth, observers and resumes."""

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn
from training_parts import (
    EXAMPLE,
    OPTIMIZERS,
    AtStep,
    KillAt,
    KilledError,
    RankAt,
    ZeroWatch,
    assert_equal_states,
    copy_tensors,
    make_strategy,
)

from compression.callbacks.epoch_history import History
from compression.callbacks.epoch_seed import EpochSeed
from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.compaction import compact
from compression.pruning.criteria.channel_norm import ChannelNorm
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.movement import Movement
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.channels import Channels
from compression.pruning.regrowth.rigl import RigL
from compression.pruning.regrowth.set_ import Set
from compression.pruning.schedules.constant import Constant
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.timeline import Timeline

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:.*Checkpoint directory .* exists and is not empty.*",
)


@pytest.mark.parametrize(
    ("name", "step_updates"),
    [
        *(pytest.param(name, (0, 2, 4), id=f"{name}-inside epochs") for name in OPTIMIZERS),
        pytest.param("sgd_momentum", (0, 3, 6), id="sgd_momentum-between epochs"),
        *(
            pytest.param(name, (0, 3, 6), id=f"{name}-between epochs", marks=pytest.mark.slow)
            for name in OPTIMIZERS
            if name != "sgd_momentum"
        ),
    ],
)
def test_pruned_weights_are_exactly_zero_after_every_step(prune, make_task, make_pruning, name, step_updates):
    pruning = make_pruning(amount=0.9, schedule=Geometric(steps=3), step_updates=step_updates)
    watch = ZeroWatch(pruning)
    prune(pruning, [watch], max_epochs=4, task=make_task(OPTIMIZERS[name]), gradient_clip_val=1.0)
    assert watch.num_updates == 12
    assert watch.num_moments > 0
    # 216, 72 and 24 weights, of which 31 are kept; momentum existed before the second and third change.
    assert watch.changes == list(zip(step_updates, (167, 245, 281), (False, True, True), strict=True))
    for before, after in zip(watch.masks, watch.masks[1:], strict=False):
        assert all((after[name] <= before[name]).all() for name in before), "a pruned weight came back"
    assert pruning.step == 3
    assert pruning.masks.sparsity == 281 / 312


def test_kept_weights_are_trained(prune, make_task, make_pruning):
    task = make_task()
    before = copy_tensors(prunable_weights(task.net))
    pruning = make_pruning(amount=0.5, schedule=OneShot(), step_updates=[0])
    prune(pruning, max_epochs=1, task=task)
    for name, weight in prunable_weights(task.net).items():
        assert torch.equal(weight != 0, pruning.masks[name])
        assert (weight != before[name])[pruning.masks[name]].all()


@pytest.mark.parametrize(
    ("timeline", "expected"),
    [
        (Timeline(3, 3, epochs=1), [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3]),
        (Timeline(3, 3, epochs=2), [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2]),
        (Timeline(3, 3, epochs=1, lead_epochs=1), [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (Timeline(3, 3, epochs=4, spread=0.5), [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3]),
        (Timeline(3, 3, epochs=4, spread=0.4), [1, 1, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3]),
        (Timeline(3, 3, epochs=3, lead_epochs=1, spread=0.5), [0, 0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 3]),
        (Timeline(3, 3, epochs=4, spread=0.1), [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]),
        (Timeline(3, 3, epochs=4, spread=0.0), [3] * 12),
    ],
)
def test_steps_fall_where_the_timeline_says(prune, make_pruning, timeline, expected):
    pruning = make_pruning(schedule=Geometric(steps=3), step_updates=timeline.step_updates)
    seen = []

    class Spy(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            del trainer, pl_module, batch, batch_idx
            seen.append(pruning.step)

    prune(pruning, [Spy()], max_epochs=4)
    assert seen == expected
    assert [update for update, _ in pruning.sparsity_steps] == timeline.step_updates[: pruning.step]


def test_first_step_comes_before_the_first_update(prune, make_task, make_pruning):
    """One-shot pruning ranks the given weights, before any further training."""
    task = make_task()
    expected = make_strategy(task.net, schedule=OneShot()).masks_at(1, task.net, masks=dense(task))
    pruning = make_pruning(schedule=OneShot(), step_updates=[0])
    prune(pruning, max_epochs=1, task=task)
    assert all(torch.equal(pruning.masks[name], expected[name]) for name in expected)


def test_lead_epochs_train_without_masks_before_the_first_step(prune, make_task, make_pruning):
    task, pruning = make_task(), make_pruning(schedule=OneShot(), step_updates=[3])
    ranked = RankAt(3, pruning)
    prune(pruning, before=[ranked], max_epochs=2, task=task)
    assert ranked.sparsity_before == 0
    assert all(torch.equal(pruning.masks[name], mask) for name, mask in ranked.masks.items())
    at_first = make_strategy(task.net, schedule=OneShot()).masks_at(1, make_task().net, masks=dense(task))
    assert any(not torch.equal(pruning.masks[name], mask) for name, mask in at_first.items())


def test_validation_uses_statistics_of_the_current_weights(prune, make_task, make_pruning, make_batches):
    task = make_task()
    prune(make_pruning(num_batches=3), max_epochs=2, task=task)
    images = torch.cat([images for images, _ in make_batches()])
    with torch.no_grad():
        features = [task.net[0](part).transpose(0, 1).flatten(1) for part in images.split(8)]
    norm = task.net[1]
    torch.testing.assert_close(norm.running_mean, torch.stack([f.mean(1) for f in features]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([f.var(1) for f in features]).mean(0))
    assert norm.momentum == 0.1


def test_without_batches_the_running_statistics_of_training_stay(prune, make_task, make_pruning):
    task = make_task()
    prune(make_pruning(num_batches=0), max_epochs=2, task=task)
    assert int(task.net[1].num_batches_tracked) == 6


def test_a_network_without_batch_norm(prune, make_task, make_pruning):
    task = make_task()
    task.net[1], task.net[4] = nn.Identity(), nn.Identity()
    pruning = make_pruning(net=task.net)
    prune(pruning, max_epochs=2, task=task)
    assert pruning.masks.hold(task.net.state_dict())


@pytest.mark.parametrize("step_updates", [(0, 3), (1, 5), (2, 2)])
def test_sparsity_is_logged_for_the_model_and_by_layer(prune, make_pruning, step_updates):
    class Recorder(DummyLogger):
        def __init__(self):
            super().__init__()
            self.rows = []

        def log_metrics(self, metrics, step=None):
            if "sparsity" in metrics:
                self.rows.append((step, metrics))

    recorder, pruning = Recorder(), make_pruning(amount=0.75, step_updates=step_updates)
    prune(pruning, max_epochs=2, logger=recorder)
    assert recorder.rows == pruning.sparsity_steps
    assert [step for step, _ in recorder.rows] == list(step_updates)
    (_, first), (_, last) = recorder.rows
    assert set(first) == {"sparsity", "sparsity/0.weight", "sparsity/3.weight", "sparsity/9.weight"}
    assert (first["sparsity"], last["sparsity"]) == (0.5, 0.75)
    assert last["sparsity/0.weight"] == pruning.masks.layer_sparsity["0.weight"]


def test_state_before_training_keeps_everything_and_loads(make_pruning):
    fresh = make_pruning()
    state = fresh.state_dict()
    assert (state["step"], state["sparsity_steps"], state["criterion"]) == (0, [], {})
    assert all(mask.all() for mask in state["masks"].values())
    other = make_pruning()
    other.load_state_dict(state)
    assert (other.step, other.masks.sparsity) == (0, 0)


def test_steps_can_be_taken_without_training(make_task, make_pruning):
    task, pruning = make_task(), make_pruning(amount=0.75, step_updates=[0, 0])
    for _ in range(2):
        pruning.advance(task.net, update=0)
    pruning.recorder.finish_step(task.net, pruning.masks)
    assert pruning.masks.hold(task.net.state_dict())
    assert [row["sparsity"] for row in pruning.recorder.rows] == [0.5, 0.75]
    assert all(row["accuracy_after"] == row["accuracy_before"] for row in pruning.recorder.rows)
    assert list(pruning.written) == [1, 2]


def dense(task):
    return MaskSet({name: torch.ones_like(w, dtype=torch.bool) for name, w in prunable_weights(task.net).items()})


CHANNELS = {"granularity": Channels(round_to=1), "criterion": ChannelNorm(p=1), "target": "channels", "floor": 0.1}


@pytest.mark.parametrize("optimizer", ["sgd_momentum", "adamw_amsgrad"])
def test_rewinding_restores_the_given_weights_under_the_mask(prune, make_task, make_pruning, optimizer):
    task = make_task(OPTIMIZERS[optimizer])
    initial = copy_tensors(task.net.state_dict())
    pruning = make_pruning(rewind_to=initial, amount=0.8)

    def look(trainer, net):
        for name, value in net.state_dict().items():
            expected = initial[name].masked_fill(~pruning.masks[name], 0) if name in pruning.masks else initial[name]
            assert torch.equal(value, expected), name
        assert not trainer.optimizers[0].state

    spy, watch = AtStep(pruning, look), ZeroWatch(pruning)
    prune(pruning, [spy, watch], max_epochs=2, task=task)
    assert spy.num_looks == 2
    assert [pruned for _, pruned, _ in watch.changes] == [172, 250]
    assert any(not torch.equal(value, initial[name]) for name, value in task.net.named_parameters())


def test_weights_are_ranked_before_they_are_rewound(prune, make_task, make_pruning):
    """Weights that became large in training are kept, whatever their first values."""
    task = make_task()
    pruning = make_pruning(rewind_to=copy_tensors(task.net.state_dict()), step_updates=[3], schedule=OneShot())
    ranked = RankAt(3, pruning)
    prune(pruning, before=[ranked], max_epochs=2, task=task)
    assert all(torch.equal(pruning.masks[name], mask) for name, mask in ranked.masks.items())
    strategy = make_strategy(task.net, schedule=OneShot())
    at_first = strategy.masks_at(1, make_task().net, masks=strategy.units.dense_masks())
    assert any(not torch.equal(pruning.masks[name], mask) for name, mask in at_first.items())


@pytest.mark.parametrize("regrowth", [RigL(fraction=0.5), Set(fraction=0.5)], ids=["rigl", "set"])
@pytest.mark.parametrize("optimizer", ["sgd_momentum", "adam"])
def test_regrowth_moves_weights_at_constant_sparsity(prune, make_task, make_pruning, optimizer, regrowth):
    settings = {"criterion": Random(), "schedule": Constant(steps=4), "regrowth": regrowth}
    pruning = make_pruning(step_updates=[0, 2, 4, 6], amount=0.75, **settings)
    watch, num_grown = ZeroWatch(pruning), []

    def look(trainer, net):
        if pruning.step == 1:
            return
        # The watch stands before this: its last masks are of this step.
        assert watch.changes[-1][0] == trainer.global_step
        before = watch.masks[-2]
        for name, weight in prunable_weights(net).items():
            grown = pruning.masks[name] & ~before[name]
            num_grown.append(int(grown.sum()))
            assert not weight[grown].any()
            for value in trainer.optimizers[0].state[weight].values():
                if value.shape == weight.shape:
                    assert not value[grown].any()

    task, _ = prune(pruning, [watch, AtStep(pruning, look)], max_epochs=3, task=make_task(OPTIMIZERS[optimizer]))
    assert sum(num_grown) > 10
    assert [update for update, _, _ in watch.changes] == [0, 2, 4, 6]
    for name in pruning.masks:
        assert len({int(masks[name].sum()) for masks in watch.masks[1:]}) == 1
    assert [update for update, _ in pruning.sparsity_steps] == [0]
    trained = [(w != 0) & ~watch.masks[1][name] for name, w in prunable_weights(task.net).items()]
    assert any(weights.any() for weights in trained), "what is grown is trained as well"


@pytest.mark.parametrize("epochs", [2, 4])
def test_a_sparse_training_is_one_step_of_the_history(prune, make_pruning, epochs):
    """This holds whether or not a move falls between two epochs."""
    settings = {"criterion": Random(), "schedule": Constant(steps=3), "regrowth": Set()}
    pruning = make_pruning(step_updates=[0, 3, 4], amount=0.5, **settings)
    accuracies = []

    class Spy(Callback):
        def on_validation_end(self, trainer, pl_module):
            del pl_module
            accuracies.append(trainer.callback_metrics["val/accuracy"].item())
            assert pruning.recorder.rows[0]["accuracy_after"] is None

    task, _ = prune(pruning, [Spy()], max_epochs=epochs)
    [row] = pruning.recorder.rows
    assert row["accuracy_after"] == max(accuracies[1:])
    assert list(pruning.written) == [1]
    assert pruning.masks.hold(pruning.written[1])
    assert pruning.masks.hold(pruning.recorder.best.weights)
    assert pruning.masks.hold(task.net.state_dict())


@pytest.mark.parametrize("step_updates", [(0, 3), (0, 4)])
@pytest.mark.parametrize("optimizer", ["sgd_momentum", "adamw_amsgrad"])
def test_removed_channels_stay_zero_with_their_biases_and_batch_norm(
    prune, make_task, make_pruning, optimizer, step_updates
):
    task = make_task(OPTIMIZERS[optimizer])
    # A bias would move the channel as much as its filter.
    task.net[0] = nn.Conv2d(3, 8, 3)
    pruning = make_pruning(net=task.net, amount=0.5, schedule=Geometric(steps=2), step_updates=step_updates, **CHANNELS)
    watch = ZeroWatch(pruning)
    prune(pruning, [watch], max_epochs=3, task=task)
    assert watch.num_moments > 0
    assert [update for update, _, _ in watch.changes] == list(step_updates)
    names = {"0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "4.weight", "4.bias", "9.weight"}
    assert set(pruning.masks) == names
    removed = ~pruning.masks["1.bias"]
    assert int(removed.sum()) == 4
    parameters = dict(task.net.named_parameters())
    assert not any(parameters[name][removed].any() for name in names - {"9.weight"})
    assert not parameters["9.weight"][:, removed].any()
    kept = parameters["1.bias"][~removed]
    assert kept.all()
    compacted = compact(task.net.eval(), EXAMPLE, round_to=1)
    assert dict(compacted.channels) == {"0": (8, 4)}
    assert compacted.difference <= 1e-5


def test_movement_sees_every_step_of_training(prune, make_pruning):
    pruning = make_pruning(criterion=Movement(num_batches=1), step_updates=[0, 4])
    totals = {}

    class Spy(Callback):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            del trainer, optimizer
            for name, weight in prunable_weights(pl_module.net).items():
                totals[name] = totals.get(name, 0) - weight.grad * weight.detach()

    prune(pruning, [Spy()], max_epochs=2)
    observed = pruning.state_dict()["criterion"]["totals"]
    assert set(observed) == set(totals)
    for name, total in totals.items():
        torch.testing.assert_close(observed[name], total)


def test_movement_decides_the_later_steps(prune, make_pruning):
    """The weights with the lowest sums are pruned, not the smallest weights."""
    pruning = make_pruning(criterion=Movement(num_batches=1), step_updates=[3], schedule=OneShot(), amount=0.5)
    found = {}

    class Scores(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            del pl_module, batch, batch_idx
            if trainer.global_step == 3:
                found.update(pruning.strategy.criterion.state_dict()["totals"])

    prune(pruning, before=[Scores()], max_epochs=2)
    kept = torch.cat([found[name][mask] for name, mask in pruning.masks.items()])
    gone = torch.cat([found[name][~mask] for name, mask in pruning.masks.items()])
    # The floor of one weight a filter is far away.
    assert kept.min() >= gone.max()


# A run that is killed, again and again, and started anew ends as one that was left alone.

NUM_EPOCHS = 4
# Of four epochs of three batches: within the first, at a step between epochs, after one, in the last.
PLACES = [(0, 2), (2, 0), (2, 1), (3, 0)]
BETWEEN_EPOCHS, INSIDE_EPOCHS = (0, 3, 6), (0, 2, 4, 7)
KILLED_CHANNELS = {"granularity": Channels(round_to=1), "criterion": lambda: ChannelNorm(p=1), "target": "channels"}

RECIPES = {
    "magnitude": {"optimizer": "sgd_momentum", "step_updates": BETWEEN_EPOCHS},
    "random": {"criterion": Random, "optimizer": "adamw_amsgrad", "step_updates": BETWEEN_EPOCHS},
    "two epochs a step": {"criterion": Random, "optimizer": "sgd_nesterov", "step_updates": (0, 6, 12)},
    "led": {"optimizer": "adam", "step_updates": (3, 6, 9)},
    "spread": {"optimizer": "sgd_momentum", "step_updates": INSIDE_EPOCHS},
    "rewinding": {"optimizer": "sgd_momentum", "step_updates": BETWEEN_EPOCHS, "rewind": True},
    "rewinding adam": {"optimizer": "adam", "step_updates": BETWEEN_EPOCHS, "rewind": True},
    "rigl": {"criterion": Random, "optimizer": "sgd_momentum", "step_updates": INSIDE_EPOCHS, "regrowth": RigL()},
    "set": {"criterion": Random, "optimizer": "adam", "step_updates": INSIDE_EPOCHS, "regrowth": Set()},
    "channels": {"optimizer": "sgd_momentum", "step_updates": BETWEEN_EPOCHS, "amount": 0.5, **KILLED_CHANNELS},
    "channels spread": {"optimizer": "adamw_amsgrad", "step_updates": INSIDE_EPOCHS, "amount": 0.5, **KILLED_CHANNELS},
    "movement": {
        "criterion": lambda: Movement(num_batches=1),
        "optimizer": "sgd_momentum",
        "step_updates": BETWEEN_EPOCHS,
    },
    "movement spread": {
        "criterion": lambda: Movement(num_batches=1),
        "optimizer": "adam",
        "step_updates": INSIDE_EPOCHS,
    },
    "with a limit": {"optimizer": "sgd_momentum", "step_updates": BETWEEN_EPOCHS, "lowest": 0.0},
}
# One for each way in which a run keeps something of its own; the others differ in the optimizer or the updates.
BRANCHES = ("spread", "rewinding", "rigl", "channels", "movement", "with a limit")


@pytest.fixture
def train(prune, make_task, make_pruning, tmp_path):
    """Return a function that prunes for four epochs as the prune stage does, from the last checkpoint if any."""

    def run(
        folder,
        *,
        optimizer,
        step_updates,
        criterion=Magnitude,
        amount=0.9,
        rewind=False,
        regrowth=None,
        kill=(),
        **rest,
    ):
        task = make_task(OPTIMIZERS[optimizer])
        steps = len(step_updates)
        pruning = make_pruning(
            net=task.net,
            criterion=criterion(),
            schedule=Constant(steps=steps) if regrowth else Geometric(steps=steps),
            regrowth=regrowth,
            amount=amount,
            step_updates=step_updates,
            rewind_to=copy_tensors(task.net.state_dict()) if rewind else None,
            floor=0.1,
            **rest,
        )
        history = History()
        save = ModelCheckpoint(
            tmp_path / folder,
            filename="last",
            every_n_epochs=1,
            enable_version_counter=False,
            save_on_train_epoch_end=True,
        )
        last = tmp_path / folder / "last.ckpt"
        prune(
            pruning,
            [history, save, *kill],
            before=[EpochSeed(0, "prune")],
            task=task,
            max_epochs=NUM_EPOCHS,
            enable_checkpointing=True,
            ckpt_path=last if last.exists() else None,
        )
        return task, pruning, history

    return run


@pytest.mark.parametrize(
    "recipe", [name if name in BRANCHES else pytest.param(name, marks=pytest.mark.slow) for name in RECIPES]
)
def test_a_killed_run_resumes_exactly(train, recipe):
    settings, written = RECIPES[recipe], {}
    task, pruning, history = train("whole", **settings)
    for place in PLACES:
        # As files do, what was written stays.
        with pytest.raises(KilledError):
            train("killed", kill=[KillAt(*place)], written=written, **settings)
    other_task, other, other_history = train("killed", written=written, **settings)
    assert_equal_states(other_task.net.state_dict(), task.net.state_dict())
    assert_equal_states(other.masks, pruning.masks)
    assert other.step == pruning.step > 0
    assert other.sparsity_steps == pruning.sparsity_steps
    best, other_best = pruning.recorder.best, other.recorder.best
    assert_equal_states(other_best.weights, best.weights)
    assert (other_best.accuracy, other_best.epoch) == (best.accuracy, best.epoch)
    assert other.recorder.rows == pruning.recorder.rows
    assert other.recorder.stopped == pruning.recorder.stopped
    assert (other.recorder.accepted is None) == (pruning.recorder.accepted is None) == ("lowest" not in settings)
    assert list(other.written) == list(pruning.written)
    for step, weights in pruning.written.items():
        assert_equal_states(other.written[step], weights)
    assert other_history.rows == history.rows
    assert [row["epoch"] for row in history.rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("recipe", ["magnitude", "spread", "rewinding", "rigl", "channels"])
def test_best_weights_are_those_of_the_last_step(train, recipe):
    _, pruning, _ = train("whole", **RECIPES[recipe])
    assert pruning.recorder.best.epoch in (2, 3)
    assert pruning.masks.hold(pruning.recorder.best.weights)


def test_checkpoint_holds_masks_and_position(train, tmp_path):
    _, pruning, _ = train("whole", **RECIPES["magnitude"])
    state = torch.load(tmp_path / "whole" / "last.ckpt", weights_only=True)["callbacks"]["PruningCallback"]
    assert state["step"] == 3
    assert_equal_states(state["masks"], pruning.masks)

"""Rewinding, regrowth, channels, and criteria that watch training."""

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn
from training_parts import EXAMPLE, OPTIMIZERS, AtStep, RankAt, ZeroWatch, copy_tensors, make_strategy

from compression.core.selection import prunable_weights
from compression.pruning.compaction import compact
from compression.pruning.criteria.channel_norm import ChannelNorm
from compression.pruning.criteria.movement import Movement
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.channels import Channels
from compression.pruning.regrowth.rigl import RigL
from compression.pruning.regrowth.set_ import Set
from compression.pruning.schedules.constant import Constant
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)
CHANNELS = {"granularity": Channels(round_to=1), "criterion": ChannelNorm(p=1), "target": "channels", "floor": 0.1}


@pytest.mark.parametrize("optimizer", ["sgd_momentum", "adamw_amsgrad"])
def test_rewinding_goes_back_to_the_given_weights_under_the_mask(prune, make_task, make_pruning, optimizer):
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
    """Those that training made large are kept, whatever they were at first."""
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
def test_a_sparse_training_is_one_step_of_the_history_and_ends_when_training_ends(prune, make_pruning, epochs):
    """Whether or not a move falls between two epochs."""
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
    """The lowest of the sums go, not the smallest weights."""
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

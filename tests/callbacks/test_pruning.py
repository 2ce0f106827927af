import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers.logger import DummyLogger
from torch import nn
from training_parts import OPTIMIZERS, RankAt, ZeroWatch, copy_tensors, make_strategy

from compression.core.masks import MaskSet
from compression.core.selection import prunable_weights
from compression.pruning.schedules.geometric import Geometric
from compression.pruning.schedules.one_shot import OneShot
from compression.pruning.timeline import Timeline

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


@pytest.mark.parametrize("step_updates", [(0, 3, 6), (0, 2, 4)], ids=["between epochs", "inside epochs"])
@pytest.mark.parametrize("name", OPTIMIZERS)
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


def test_kept_weights_do_train(prune, make_task, make_pruning):
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
    """The weights that are given, not weights trained further, are what one-shot pruning ranks."""
    task = make_task()
    expected = make_strategy(task.net, schedule=OneShot()).masks_at(1, task.net, masks=dense(task))
    pruning = make_pruning(schedule=OneShot(), step_updates=[0])
    prune(pruning, max_epochs=1, task=task)
    assert all(torch.equal(pruning.masks[name], expected[name]) for name in expected)


def test_lead_epochs_train_without_masks_and_are_what_the_first_step_ranks(prune, make_task, make_pruning):
    task, pruning = make_task(), make_pruning(schedule=OneShot(), step_updates=[3])
    ranked = RankAt(3, pruning)
    prune(pruning, before=[ranked], max_epochs=2, task=task)
    assert ranked.sparsity_before == 0
    assert all(torch.equal(pruning.masks[name], mask) for name, mask in ranked.masks.items())
    at_first = make_strategy(task.net, schedule=OneShot()).masks_at(1, make_task().net, masks=dense(task))
    assert any(not torch.equal(pruning.masks[name], mask) for name, mask in at_first.items())


def test_validation_runs_on_statistics_of_the_weights_as_they_are(prune, make_task, make_pruning, make_batches):
    task = make_task()
    prune(make_pruning(num_batches=3), max_epochs=2, task=task)
    images = torch.cat([images for images, _ in make_batches()])
    with torch.no_grad():
        features = [task.net[0](part).transpose(0, 1).flatten(1) for part in images.split(8)]
    norm = task.net[1]
    torch.testing.assert_close(norm.running_mean, torch.stack([f.mean(1) for f in features]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([f.var(1) for f in features]).mean(0))
    assert norm.momentum == 0.1


def test_no_batches_leave_the_running_statistics_of_training(prune, make_task, make_pruning):
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
def test_sparsity_is_logged_in_all_and_by_layer(prune, make_pruning, step_updates):
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

"""A pruning run that is killed, again and again, and started anew ends as one that was left alone."""

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from training_parts import OPTIMIZERS, KillAt, KilledError, assert_equal_states, copy_tensors

from compression.callbacks.epoch_seed import EpochSeed
from compression.callbacks.history import History
from compression.pruning.criteria.channel_norm import ChannelNorm
from compression.pruning.criteria.magnitude import Magnitude
from compression.pruning.criteria.movement import Movement
from compression.pruning.criteria.random import Random
from compression.pruning.granularities.channels import Channels
from compression.pruning.regrowth.rigl import RigL
from compression.pruning.regrowth.set_ import Set
from compression.pruning.schedules.constant import Constant
from compression.pruning.schedules.geometric import Geometric

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:.*Checkpoint directory .* exists and is not empty.*",
)
NUM_EPOCHS = 4
# Of four epochs of three batches: within the first, at a step between epochs, after one, in the last.
PLACES = [(0, 2), (2, 0), (2, 1), (3, 0)]
BETWEEN_EPOCHS, INSIDE_EPOCHS = (0, 3, 6), (0, 2, 4, 7)
CHANNELS = {"granularity": Channels(round_to=1), "criterion": lambda: ChannelNorm(p=1), "target": "channels"}

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
    "channels": {"optimizer": "sgd_momentum", "step_updates": BETWEEN_EPOCHS, "amount": 0.5, **CHANNELS},
    "channels spread": {"optimizer": "adamw_amsgrad", "step_updates": INSIDE_EPOCHS, "amount": 0.5, **CHANNELS},
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


@pytest.fixture
def train(prune, make_task, make_pruning, tmp_path):
    """Prunes for four epochs as the prune stage does, from the last checkpoint if there is one."""

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


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_killed_run_goes_on_as_if_nothing_had_been(train, recipe):
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

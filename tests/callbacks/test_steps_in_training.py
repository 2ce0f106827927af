"""What the recorder of pruning steps records, and where it stops, in training."""

import pytest
from lightning.pytorch import Callback
from training_parts import assert_equal_states, copy_tensors

from compression.callbacks.history import History
from compression.core.masks import MaskSet
from compression.pruning.schedules.geometric import Geometric

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:.*Checkpoint directory .* exists and is not empty.*",
)


@pytest.mark.parametrize("step_updates", [(0, 3), (1, 4), (0, 6)])
def test_in_training_rows_say_what_was_validated(prune, make_pruning, measure, make_task, step_updates):
    pruning = make_pruning(step_updates=step_updates, amount=0.75)
    recorder, nets, accuracies = pruning.recorder, {}, []

    class Spy(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            del batch, batch_idx
            if trainer.global_step in step_updates:
                nets[trainer.global_step] = copy_tensors(pl_module.net.state_dict())

        def on_validation_end(self, trainer, pl_module):
            del pl_module
            accuracies.append((trainer.global_step, trainer.callback_metrics["val/accuracy"].item()))

    prune(pruning, [Spy()], max_epochs=3)
    assert [row["update"] for row in recorder.rows] == list(step_updates)
    for row, end in zip(recorder.rows, (*step_updates[1:], 100), strict=True):
        net = make_task().net
        net.load_state_dict(nets[row["update"]])
        assert row["accuracy_before"] == measure(net)
        net.load_state_dict(pruning.written[row["step"]])
        assert row["accuracy_after"] == pytest.approx(measure(net))
        since = [accuracy for update, accuracy in accuracies if row["update"] < update <= end]
        assert row["accuracy_after"] == pytest.approx(max(since))
        kept = sum(int(weight.count_nonzero()) for weight in net.parameters() if weight.ndim > 1)
        assert kept == round((1 - row["sparsity"]) * 312)


def test_steps_between_validations_are_measured(prune, make_pruning, make_task, measure):
    pruning = make_pruning(step_updates=(0, 1, 2), schedule=Geometric(steps=3), amount=0.75)
    prune(pruning, max_epochs=1)
    assert [row["step"] for row in pruning.recorder.rows] == list(pruning.written) == [1, 2, 3]
    net = make_task().net
    for row in pruning.recorder.rows:
        net.load_state_dict(pruning.written[row["step"]])
        assert row["accuracy_after"] == pytest.approx(measure(net))


class Accuracies(Callback):
    """Makes up what was validated: ``by_epoch``. To stand behind the best weights."""

    def __init__(self, pruning, by_epoch):
        self.best, self.by_epoch = pruning.recorder.best, by_epoch

    def on_validation_end(self, trainer, pl_module):
        del pl_module
        self.best.accuracy = self.by_epoch[trainer.current_epoch]


@pytest.mark.parametrize(
    ("by_epoch", "last_epoch", "kept"),
    [([0.9, 0.2, 0.9], 2, 1), ([0.2, 0.9, 0.9], 1, None), ([0.9, 0.8, 0.7], 3, 3), ([0.9, 0.8, 0.2], 3, 2)],
)
def test_training_stops_at_the_step_that_costs_too_much(prune, make_pruning, by_epoch, last_epoch, kept):
    pruning = make_pruning(step_updates=(0, 3, 6), schedule=Geometric(steps=3), lowest=0.5)
    history = History()
    prune(pruning, [Accuracies(pruning, by_epoch), history], max_epochs=3)
    recorder = pruning.recorder
    assert [row["epoch"] for row in history.rows] == list(range(1, last_epoch + 1))
    assert pruning.step == last_epoch
    assert recorder.stopped == (kept != 3)
    assert (recorder.accepted and recorder.accepted[2]["step"]) == kept
    if kept is not None:
        weights, masks, row = recorder.accepted
        assert MaskSet(masks).hold(weights)
        assert MaskSet(masks).sparsity == row["sparsity"]


def test_a_run_that_has_stopped_does_not_train_on(prune, make_pruning, tmp_path):
    def run(**settings):
        pruning, history = make_pruning(step_updates=(0, 3, 6), schedule=Geometric(steps=3), lowest=0.5), History()
        task, trainer = prune(pruning, [Accuracies(pruning, [0.9, 0.2, 0.9]), history], max_epochs=3, **settings)
        return pruning, history, task, trainer

    pruning, history, task, trainer = run()
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    again, again_history, again_task, again_trainer = run(ckpt_path=tmp_path / "stopped.ckpt")
    assert again_trainer.global_step == trainer.global_step == 6
    assert again.step == pruning.step == 2
    assert again_history.rows == history.rows
    assert again.recorder.rows == pruning.recorder.rows
    assert again.written == {}
    assert_equal_states(again_task.net.state_dict(), task.net.state_dict())
    assert_equal_states(again.recorder.accepted[0], pruning.recorder.accepted[0])

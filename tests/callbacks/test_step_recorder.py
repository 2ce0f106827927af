"""Tests of the recorder of pruning steps: its rows and its end of pruning, alone and in training."""

import types

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn
from training_parts import assert_equal_states, copy_tensors

from compression.callbacks.best_weights import BestWeights
from compression.callbacks.epoch_history import History
from compression.callbacks.step_recorder import StepRecorder
from compression.core.class_scores import Validated
from compression.core.masks import MaskSet
from compression.pruning.schedules.geometric import Geometric

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*",
    "ignore:.*does not have many workers.*",
    "ignore:.*Checkpoint directory .* exists and is not empty.*",
)


class Steps:
    """A recorder with a network whose single weight is its accuracy in percent, and so identifies it."""

    def __init__(self, lowest=None):
        self.net = nn.Linear(2, 1, bias=False)
        self.masks = MaskSet({"weight": torch.tensor([[True, False]])})
        self.written = []
        self.num_measured = 0
        self.recorder = StepRecorder(BestWeights(), measure=self.measure, write=self.write, lowest=lowest)

    def measure(self, net):
        self.num_measured += 1
        return Validated(net.weight[0, 0].item() / 100)

    def write(self, step, weights):
        self.written.append((step, weights["weight"][0, 0].item()))

    def set_weight(self, value):
        with torch.no_grad():
            self.net.weight.copy_(torch.tensor([[float(value), 0.0]]))

    def begin(self, step, *, accuracy, update=0, pruning=True):
        self.set_weight(accuracy)
        self.recorder.begin_step(self.net, self.masks, step=step, update=update, pruning=pruning)

    def validate(self, *accuracies):
        """Pass one epoch per accuracy to the best weights."""
        for accuracy in accuracies:
            self.set_weight(accuracy)
            trainer = types.SimpleNamespace(
                callback_metrics={"val/accuracy": torch.tensor(accuracy / 100, dtype=torch.float64)}, current_epoch=0
            )
            self.recorder.best.on_validation_end(trainer, types.SimpleNamespace(net=self.net))

    def finish(self):
        self.recorder.finish_step(self.net, self.masks)


def test_a_row_has_the_accuracy_before_and_the_best_after():
    steps = Steps()
    steps.begin(1, accuracy=20)
    [row] = steps.recorder.rows
    assert row == {"step": 1, "update": 0, "sparsity": 0.5, "accuracy_before": 0.2, "accuracy_after": None}
    steps.validate(50, 75, 60)
    steps.finish()
    assert steps.recorder.rows == [row | {"accuracy_after": 0.75}]
    assert steps.written == [(1, 75)]
    assert steps.num_measured == 1


def test_another_score_has_its_own_columns_and_decides_when_to_stop():
    scores = iter([Validated(0.9, 0.3), Validated(0.95, 0.45), Validated(0.2, 0.1), Validated(0.97, 0.35)])
    net, masks = nn.Linear(2, 1), MaskSet({"weight": torch.tensor([[True, False]])})
    recorder = StepRecorder(BestWeights("balanced_accuracy"), measure=lambda _: next(scores), write=lambda *_: None)
    recorder.lowest = 0.4
    recorder.begin_step(net, masks, step=1, update=0, pruning=True)
    recorder.finish_step(net, masks)
    [row] = recorder.rows
    assert (row["accuracy_before"], row["accuracy_after"]) == (0.9, 0.95)
    assert (row["score_before"], row["score_after"]) == (0.3, 0.45)
    assert not recorder.stopped
    recorder.begin_step(net, masks, step=2, update=1, pruning=True)
    recorder.finish_step(net, masks)
    # The accuracy rose, but the score that counts fell below the limit.
    assert recorder.rows[1]["accuracy_after"] == 0.97
    assert recorder.stopped
    assert recorder.accepted[2]["step"] == 1


def test_each_step_has_its_own_best_weights():
    steps = Steps()
    steps.begin(1, accuracy=20)
    steps.validate(90)
    steps.finish()
    steps.begin(2, accuracy=10, update=5)
    steps.validate(30, 40)
    steps.finish()
    after = [(row["step"], row["update"], row["accuracy_after"]) for row in steps.recorder.rows]
    assert after == [(1, 0, 0.9), (2, 5, 0.4)]
    assert steps.written == [(1, 90), (2, 40)]


def test_a_step_without_a_validated_epoch_is_measured_directly():
    steps = Steps()
    steps.begin(1, accuracy=20)
    steps.set_weight(35)
    steps.finish()
    steps.set_weight(0)
    assert steps.recorder.rows[0]["accuracy_after"] == pytest.approx(0.35)
    assert steps.written == [(1, 35)]


def test_a_step_is_finished_once():
    steps = Steps()
    steps.finish()
    assert (steps.recorder.rows, steps.written) == ([], [])
    steps.begin(1, accuracy=20)
    steps.validate(50)
    steps.finish()
    steps.validate(90)
    steps.finish()
    assert steps.recorder.rows[0]["accuracy_after"] == 0.5
    assert steps.written == [(1, 50)]


def test_moved_weights_belong_to_the_step_before():
    steps = Steps()
    steps.begin(1, accuracy=20)
    steps.validate(90)
    # Other weights now: those validated before are no longer the model.
    steps.begin(2, accuracy=10, pruning=False)
    assert len(steps.recorder.rows) == 1
    steps.validate(60)
    steps.finish()
    assert steps.recorder.rows[0]["accuracy_after"] == 0.6
    assert steps.written == [(1, 60)]


@pytest.mark.parametrize(
    ("lowest", "accepted", "stopped"),
    [(None, None, False), (0.5, (1, 80), True), (0.4, (2, 40), False), (0.9, None, True), (0.0, (2, 40), False)],
)
def test_the_last_step_that_is_accurate_enough_is_kept(lowest, accepted, stopped):
    steps = Steps(lowest)
    for step, accuracy in ((1, 80), (2, 40)):
        if steps.recorder.stopped:
            break
        steps.begin(step, accuracy=0)
        steps.validate(accuracy)
        steps.finish()
    recorder = steps.recorder
    assert recorder.stopped == stopped
    # What was too much is recorded and written as well.
    assert steps.written == [(row["step"], 100 * row["accuracy_after"]) for row in recorder.rows]
    if accepted is None:
        assert recorder.accepted is None
    else:
        weights, masks, row = recorder.accepted
        assert (row["step"], weights["weight"][0, 0].item()) == accepted
        assert_equal_states(masks, steps.masks)


def test_the_accepted_model_is_a_copy():
    steps = Steps(0.0)
    steps.begin(1, accuracy=80)
    steps.finish()
    steps.set_weight(1)
    steps.masks["weight"].fill_(False)
    weights, masks, _ = steps.recorder.accepted
    assert weights["weight"].tolist() == [[80, 0]]
    assert masks["weight"].tolist() == [[True, False]]


def test_state_goes_through_a_file(tmp_path):
    steps = Steps(0.5)
    for step, accuracy in ((1, 80), (2, 40)):
        steps.begin(step, accuracy=accuracy)
        steps.finish()
    torch.save(steps.recorder.state_dict(), tmp_path / "state.pt")
    other = Steps(0.5).recorder
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.rows == steps.recorder.rows
    assert other.stopped
    assert other.accepted[2] == steps.recorder.accepted[2]
    for mine, theirs in zip(other.accepted[:2], steps.recorder.accepted[:2], strict=True):
        assert_equal_states(mine, theirs)


@pytest.mark.parametrize("step_updates", [(0, 3), (1, 4), (0, 6)])
def test_in_training_rows_have_the_validated_accuracy(prune, make_pruning, measure, make_task, step_updates):
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
        assert row["accuracy_before"] == measure(net).accuracy
        net.load_state_dict(pruning.written[row["step"]])
        assert row["accuracy_after"] == pytest.approx(measure(net).accuracy)
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
        assert row["accuracy_after"] == pytest.approx(measure(net).accuracy)


class Accuracies(Callback):
    """A substitute for validation: sets the accuracy to ``by_epoch``; it must come after the best weights."""

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


def test_a_stopped_run_does_not_continue_training(prune, make_pruning, tmp_path):
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

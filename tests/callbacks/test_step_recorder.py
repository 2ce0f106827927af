import types

import pytest
import torch
from torch import nn
from training_parts import assert_equal_states

from compression.callbacks.best_weights import BestWeights
from compression.callbacks.step_recorder import StepRecorder
from compression.core.masks import MaskSet


class Steps:
    """A recorder whose network's only weight says which it is, and is its accuracy in percent."""

    def __init__(self, lowest=None):
        self.net = nn.Linear(2, 1, bias=False)
        self.masks = MaskSet({"weight": torch.tensor([[True, False]])})
        self.written = []
        self.num_measured = 0
        self.recorder = StepRecorder(BestWeights(), measure=self.measure, write=self.write, lowest=lowest)

    def measure(self, net):
        self.num_measured += 1
        return net.weight[0, 0].item() / 100

    def write(self, step, weights):
        self.written.append((step, weights["weight"][0, 0].item()))

    def set_weight(self, value):
        with torch.no_grad():
            self.net.weight.copy_(torch.tensor([[float(value), 0.0]]))

    def begin(self, step, *, accuracy, update=0, pruning=True):
        self.set_weight(accuracy)
        self.recorder.begin_step(self.net, self.masks, step=step, update=update, pruning=pruning)

    def validate(self, *accuracies):
        """Show the best weights an epoch per accuracy."""
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


def test_a_step_without_a_validated_epoch_is_measured_as_it_is():
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


def test_weights_that_move_belong_to_the_step_before():
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


def test_what_is_accepted_is_a_copy():
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

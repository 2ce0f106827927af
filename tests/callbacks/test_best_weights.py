import types

import pytest
import torch
from torch import nn

from compression.callbacks.best_weights import BestWeights

quiet = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


def validate(best, accuracies):
    """Pass one epoch per accuracy to ``best``; the single weight is the number of the epoch."""
    net = nn.Linear(1, 1, bias=False)
    module = types.SimpleNamespace(net=net)
    for epoch, accuracy in enumerate(accuracies):
        with torch.no_grad():
            net.weight.fill_(epoch)
        trainer = types.SimpleNamespace(callback_metrics={"val/accuracy": torch.tensor(accuracy)}, current_epoch=epoch)
        best.on_validation_end(trainer, module)
    return best


@pytest.mark.parametrize(
    ("accuracies", "epoch"),
    [([0.5], 0), ([0.1, 0.9, 0.5], 1), ([0.9, 0.9, 0.9], 2), ([0.2, 0.9, 0.9, 0.3], 2), ([0.0, 0.0], 1)],
)
def test_highest_accuracy_and_the_latest_of_equals(accuracies, epoch):
    best = validate(BestWeights(), accuracies)
    assert best.epoch == epoch
    assert best.accuracy == pytest.approx(max(accuracies))
    assert best.weights["weight"].item() == epoch


def test_a_restart_discards_better_epochs():
    best = validate(BestWeights(), [0.9, 0.8])
    best.restart()
    assert (best.accuracy, best.epoch, best.weights) == (-1, -1, {})
    validate(best, [0.1, 0.3, 0.2])
    assert (best.epoch, best.weights["weight"].item()) == (1, 1)
    assert best.accuracy == pytest.approx(0.3)


def test_before_any_epoch_there_are_no_weights():
    assert (BestWeights().accuracy, BestWeights().epoch, BestWeights().weights) == (-1, -1, {})


def test_an_accuracy_of_nan_is_never_best():
    assert validate(BestWeights(), [0.5, float("nan")]).epoch == 0


def test_weights_that_are_not_finite_are_never_best():
    best = BestWeights()
    net = nn.Linear(1, 1, bias=False)
    for epoch, (weight, accuracy) in enumerate([(float("nan"), 0.8), (1.0, 0.5), (float("inf"), 0.9)]):
        with torch.no_grad():
            net.weight.fill_(weight)
        trainer = types.SimpleNamespace(callback_metrics={"val/accuracy": torch.tensor(accuracy)}, current_epoch=epoch)
        best.on_validation_end(trainer, types.SimpleNamespace(net=net))
        assert best.diverged == (epoch == 0)
    assert (best.epoch, best.accuracy) == (1, 0.5)


def test_another_score_decides_and_keeps_the_accuracy_of_its_epoch():
    best, module = BestWeights("balanced_accuracy"), types.SimpleNamespace(net=nn.Linear(1, 1))
    for epoch, (accuracy, score) in enumerate([(0.9, 0.3), (0.7, 0.5), (0.95, 0.4)]):
        metrics = {"val/accuracy": torch.tensor(accuracy), "val/balanced_accuracy": torch.tensor(score)}
        best.on_validation_end(types.SimpleNamespace(callback_metrics=metrics, current_epoch=epoch), module)
    assert best.epoch == 1
    assert best.validated == (pytest.approx(0.7), pytest.approx(0.5))
    other = BestWeights("balanced_accuracy")
    other.load_state_dict(best.state_dict())
    assert other.validated == best.validated


def test_a_checkpoint_of_a_version_without_scores_is_read():
    best = BestWeights()
    best.load_state_dict({"accuracy": 0.5, "epoch": 1, "weights": {}})
    assert best.validated == (0.5, None)


def test_weights_are_a_copy():
    best = validate(BestWeights(), [0.9, 0.1, 0.1])
    assert best.weights["weight"].item() == 0


def test_state_goes_through_a_file(tmp_path):
    best = validate(BestWeights(), [0.3, 0.8])
    torch.save(best.state_dict(), tmp_path / "state.pt")
    other = BestWeights()
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert (other.accuracy, other.epoch) == (best.accuracy, best.epoch)
    assert torch.equal(other.weights["weight"], best.weights["weight"])


@quiet
def test_in_training_the_weights_are_those_validated(fit):
    best = BestWeights()
    task, trainer = fit([best], max_epochs=3)
    assert best.weights.keys() == task.net.state_dict().keys()
    assert 0 <= best.epoch < 3
    if best.epoch == 2:
        assert all(torch.equal(best.weights[name], value) for name, value in task.net.state_dict().items())
    assert best.accuracy >= trainer.callback_metrics["val/accuracy"].item()


@quiet
def test_the_best_weights_validate_as_recorded(fit, make_task, make_batches):
    best = BestWeights()
    fit([best], max_epochs=3)
    net = make_task().net
    net.load_state_dict(best.weights)
    net.eval()
    with torch.no_grad():
        hits = torch.cat([net(images).argmax(1) == labels for images, labels in make_batches("val")])
    assert best.accuracy == pytest.approx(hits.float().mean().item())

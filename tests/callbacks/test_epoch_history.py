import pytest
import torch
from lightning.pytorch import Callback

from compression.callbacks.epoch_history import History

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)
METRICS = ["train/accuracy", "train/loss", "val/accuracy", "val/loss"]


def test_one_row_per_epoch(fit):
    history = History()
    _, trainer = fit([history], max_epochs=3)
    assert [row["epoch"] for row in history.rows] == [1, 2, 3]
    assert [row["update"] for row in history.rows] == [3, 6, 9]
    assert all(list(row) == ["epoch", "update", "lr", *METRICS] for row in history.rows)
    assert all(type(value) in (int, float) for row in history.rows for value in row.values())
    last = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert {name: history.rows[-1][name] for name in METRICS} == last
    assert history.seconds > 0
    assert history.earlier_seconds == 0


def test_learning_rate_is_the_optimizers(fit, make_task):
    history = History()
    fit([history], max_epochs=2, task=make_task(cycle=100))
    rates = [row["lr"] for row in history.rows]
    assert 0.1 > rates[0] > rates[1] > 0


def test_rows_and_seconds_of_earlier_attempts(fit, tmp_path):
    first = History()
    _, trainer = fit([first], max_epochs=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    second = History()
    fit([second], max_epochs=3, ckpt_path=tmp_path / "half.ckpt")
    assert second.rows[:2] == first.rows
    assert [row["epoch"] for row in second.rows] == [1, 2, 3]
    assert second.earlier_seconds == first.seconds
    assert second.seconds > second.earlier_seconds


class StopAfter(Callback):
    """Ends the training after an epoch, as early stopping does."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_validation_end(self, trainer, pl_module):
        del pl_module
        trainer.should_stop = trainer.should_stop or trainer.current_epoch + 1 == self.epoch


def test_a_training_that_a_callback_has_ended_does_not_go_on(fit, tmp_path):
    first, second = History(), History()
    _, trainer = fit([StopAfter(2), first], max_epochs=5)
    trainer.save_checkpoint(tmp_path / "stopped.ckpt")
    fit([StopAfter(2), second], max_epochs=5, ckpt_path=tmp_path / "stopped.ckpt")
    assert [row["epoch"] for row in first.rows] == [row["epoch"] for row in second.rows] == [1, 2]


def test_state_goes_through_a_file(tmp_path):
    history = History()
    history.rows, history.seconds = [{"epoch": 1, "val/accuracy": 0.5}], 2.5
    torch.save(history.state_dict(), tmp_path / "state.pt")
    other = History()
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.state_dict() == history.state_dict()

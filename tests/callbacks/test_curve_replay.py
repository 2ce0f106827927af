import pytest
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import DummyLogger

from compression.callbacks.curve_replay import CurveReplay
from compression.callbacks.epoch_history import History

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)


class Recorder(DummyLogger):
    """A logger that keeps what it is given."""

    def __init__(self):
        super().__init__()
        self.points = []

    def log_metrics(self, metrics, step=None):
        self.points.append((step, dict(metrics)))


def test_a_resumed_training_logs_the_points_of_its_checkpoint_again(fit, make_pruning, tmp_path):
    history, pruning = History(), make_pruning()
    _, trainer = fit([pruning, pruning.recorder, pruning.recorder.best, history], max_epochs=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    again, second, logger = History(), make_pruning(), Recorder()
    callbacks = [second, second.recorder, second.recorder.best, again, CurveReplay(again)]
    fit(callbacks, max_epochs=3, ckpt_path=tmp_path / "half.ckpt", logger=logger)
    rows = [point for point in logger.points if "epoch" in point[1] and "lr" in point[1]]
    assert [(step, values["epoch"]) for step, values in rows] == [(3, 1), (6, 2)]
    assert [values for _, values in rows] == [
        {key: value for key, value in row.items() if key != "update"} for row in history.rows
    ]
    sparsities = [(step, values["sparsity"]) for step, values in logger.points if "sparsity" in values]
    assert sparsities == [(update, values["sparsity"]) for update, values in pruning.sparsity_steps]
    # Both steps were taken before the checkpoint.
    assert len(sparsities) == 2


def test_a_checkpoint_of_the_last_epoch_is_replayed_too(fit, tmp_path):
    history, again, logger = History(), History(), Recorder()
    _, trainer = fit([history], max_epochs=2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    fit([again, CurveReplay(again)], max_epochs=2, ckpt_path=tmp_path / "last.ckpt", logger=logger)
    assert [step for step, values in logger.points if "lr" in values] == [3, 6]


def test_a_new_training_replays_nothing(fit):
    history, logger = History(), Recorder()
    fit([history, CurveReplay(history)], max_epochs=1, logger=logger)
    assert [values["lr"] for _, values in logger.points if "lr" in values] == [history.rows[0]["lr"]]


def test_a_training_without_a_logger_replays_nothing(fit, tmp_path):
    history = History()
    _, trainer = fit([history], max_epochs=1)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    again = History()
    fit([again, CurveReplay(again)], max_epochs=2, ckpt_path=tmp_path / "half.ckpt")
    assert len(again.rows) == 2


def test_a_csv_file_of_a_resumed_training_is_complete(fit, tmp_path):
    history = History()
    _, trainer = fit([history], max_epochs=1)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    again = History()
    logger = CSVLogger(str(tmp_path), name="csv", version="dense")
    fit([again, CurveReplay(again)], max_epochs=2, ckpt_path=tmp_path / "half.ckpt", logger=logger)
    logger.save()
    text = (tmp_path / "csv" / "dense" / "metrics.csv").read_text().splitlines()
    column = text[0].split(",").index("lr")
    assert [float(line.split(",")[column]) for line in text[1:] if line.split(",")[column]] == [
        row["lr"] for row in again.rows
    ]

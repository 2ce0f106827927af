import logging
import re

import pytest

from compression.callbacks.line_progress import LineProgress

pytestmark = pytest.mark.filterwarnings(
    r"ignore:.*isinstance\(treespec, LeafSpec\).*", "ignore:.*does not have many workers.*"
)
LINE = re.compile(
    r"dense  epoch (\d+)/(\d+)  loss (\d+\.\d{4})  validation accuracy (\d+\.\d\d) %  (\d+) s left", re.ASCII
)


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="compression.callbacks.line_progress")

    def read():
        return [record.getMessage() for record in caplog.records if record.name.startswith("compression.callbacks")]

    return read


def test_one_line_per_epoch(fit, lines):
    _, trainer = fit([LineProgress("dense")], max_epochs=3)
    matches = [LINE.fullmatch(line) for line in lines()]
    assert all(matches)
    assert [(match[1], match[2]) for match in matches] == [("1", "3"), ("2", "3"), ("3", "3")]
    assert matches[-1][3] == f"{trainer.callback_metrics['train/loss'].item():.4f}"
    assert matches[-1][4] == f"{100 * trainer.callback_metrics['val/accuracy'].item():.2f}"
    assert matches[-1][5] == "0"


def test_the_arithmetic_follows_the_accuracy(fit, lines):
    fit([LineProgress("quantize", arithmetic="W4A4, simulated")], max_epochs=1)
    assert " % (W4A4, simulated)  0 s left" in lines()[0]


def test_time_left_is_estimated_from_this_attempt(fit, lines, tmp_path, monkeypatch):
    _, trainer = fit([], max_epochs=2)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    # 8 seconds for the one epoch of this attempt, so 16 for the two that are left.
    clock = iter([100.0, 108.0, 116.0, 124.0])
    monkeypatch.setattr("compression.callbacks.line_progress.time.perf_counter", lambda: next(clock))
    callback = LineProgress("dense")
    for epoch, done in ((2, None), (2, 3), (3, 4)):
        trainer.fit_loop.epoch_progress.current.completed = epoch
        trainer.fit_loop.max_epochs = 5
        if done is None:
            callback.on_train_start(trainer, trainer.lightning_module)
        else:
            callback.on_train_epoch_end(trainer, trainer.lightning_module)
    left = [LINE.fullmatch(line)[5] for line in lines()]
    assert left == ["16", "8"]


def test_no_progress_bar_is_drawn(fit, capsys):
    fit([LineProgress("dense")], max_epochs=1)
    output = capsys.readouterr()
    assert "\r" not in output.out + output.err
    assert "\x1b" not in output.out + output.err

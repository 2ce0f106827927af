from types import SimpleNamespace

from lightning.pytorch.callbacks import RichProgressBar

from compression.callbacks import terminal_progress
from compression.callbacks.terminal_progress import TerminalProgress


def test_the_bar_shows_the_time_left_and_no_version(monkeypatch):
    monkeypatch.setattr(RichProgressBar, "get_metrics", lambda *_: {"v_num": "ense", "val/accuracy": 0.5})
    clock = iter([100.0, 130.0])
    monkeypatch.setattr(terminal_progress.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(RichProgressBar, "on_train_start", lambda *_: None)
    bar = TerminalProgress(arithmetic="W4A4")
    # Resumed at update 10 of 40; three updates in thirty seconds, twenty-seven to go.
    bar.on_train_start(SimpleNamespace(global_step=10), None)
    items = bar.get_metrics(SimpleNamespace(global_step=13, estimated_stepping_batches=40), None)
    assert items == {"val/accuracy": 0.5, "arithmetic": "W4A4", "left": "270s"}

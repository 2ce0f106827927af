"""Progress on a terminal: a bar an epoch, with the time left to the whole training."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class TerminalProgress(RichProgressBar):
    """Lightning's bar; beside it validation accuracy, and the time left until the last epoch.

    ``arithmetic`` labels accuracies that are not of plain floats.
    """

    def __init__(self, *, arithmetic: str = "") -> None:
        super().__init__(leave=True)
        self._arithmetic = arithmetic
        self._first_update = 0
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time."""
        super().on_train_start(trainer, pl_module)
        self._first_update, self._started = trainer.global_step, time.perf_counter()

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return what stands beside the bar."""
        items = super().get_metrics(trainer, pl_module)
        # The logger's version: here the name of the stage, cut to its last letters.
        items.pop("v_num", None)
        if self._arithmetic:
            items["arithmetic"] = self._arithmetic
        done = trainer.global_step - self._first_update
        if done:
            left = trainer.estimated_stepping_batches - trainer.global_step
            items["left"] = f"{left * (time.perf_counter() - self._started) / done:.0f}s"
        return items

"""Progress on a terminal: one bar per epoch, with the remaining time of the complete training."""

import time
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar


class TerminalProgress(RichProgressBar):
    """Lightning's progress bar, with validation accuracy and the time left until the end of the last epoch.

    ``arithmetic`` labels accuracies of a network that does not compute in plain floats.
    """

    def __init__(self, *, arithmetic: str = "") -> None:
        super().__init__(leave=True)
        self._arithmetic = arithmetic
        self._first_update = 0
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the start time and the first update."""
        super().on_train_start(trainer, pl_module)
        self._first_update, self._started = trainer.global_step, time.perf_counter()

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """Return the values to show beside the bar, by label."""
        items = super().get_metrics(trainer, pl_module)
        # The logger's version: the bar would show the last letters of the stage's name.
        items.pop("v_num", None)
        if self._arithmetic:
            items["arithmetic"] = self._arithmetic
        done = trainer.global_step - self._first_update
        if done:
            left = trainer.estimated_stepping_batches - trainer.global_step
            items["left"] = f"{left * (time.perf_counter() - self._started) / done:.0f}s"
        return items

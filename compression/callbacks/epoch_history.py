"""A record of every epoch's metrics, kept in checkpoints so that a resumed run's record is whole."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class History(Callback):
    """Collects one row of plain numbers an epoch, and the seconds trained.

    ``earlier_seconds`` are those of killed attempts at the same training.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float | int]] = []
        self.seconds = 0.0
        self.earlier_seconds = 0.0
        self._started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time."""
        del trainer, pl_module
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of this epoch."""
        del pl_module
        metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items())}
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        row = {"epoch": trainer.current_epoch + 1, "update": trainer.global_step, "lr": lr}
        self.rows.append(row | metrics)
        if trainer.logger is not None:
            trainer.logger.log_metrics({"lr": lr}, step=trainer.global_step)
        self.seconds += time.perf_counter() - self._started

    def state_dict(self) -> dict[str, Any]:
        """Return the rows so far."""
        return {"rows": self.rows, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows so far."""
        self.rows, self.seconds = state_dict["rows"], state_dict["seconds"]
        self.earlier_seconds = self.seconds

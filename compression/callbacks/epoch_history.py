"""A record of the metrics of every epoch; checkpoints contain it, so the record of a resumed run is complete."""

import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class History(Callback):
    """One row of numbers per epoch, the training time in seconds, and whether a callback has ended the training.

    ``seconds`` is the time of all attempts at this training. ``earlier_seconds`` is the part before the last resume.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float | int]] = []
        self.seconds = 0.0
        self.earlier_seconds = 0.0
        self._started = 0.0
        self._stopped = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once if a checkpoint says that the training has ended; Lightning forgets it, and would go on."""
        del pl_module
        trainer.should_stop = trainer.should_stop or self._stopped

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the start time of the epoch."""
        del trainer, pl_module
        self._started = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the row of this epoch: epoch (from 1), update, learning rate and all metrics."""
        del pl_module
        metrics = {name: value.item() for name, value in sorted(trainer.callback_metrics.items())}
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        row = {"epoch": trainer.current_epoch + 1, "update": trainer.global_step, "lr": lr}
        self.rows.append(row | metrics)
        if trainer.logger is not None:
            trainer.logger.log_metrics({"lr": lr}, step=trainer.global_step)
        self.seconds += time.perf_counter() - self._started
        self._stopped = trainer.should_stop

    def state_dict(self) -> dict[str, Any]:
        """Return the rows and seconds so far, and whether this was the last epoch."""
        return {"rows": self.rows, "seconds": self.seconds, "stopped": self._stopped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        self.rows, self.seconds = state_dict["rows"], state_dict["seconds"]
        self._stopped = state_dict.get("stopped", False)
        self.earlier_seconds = self.seconds

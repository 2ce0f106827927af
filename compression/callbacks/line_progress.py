"""Progress as plain lines, for output that is no terminal."""

import logging
import time

from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class LineProgress(Callback):
    """Logs one line an epoch, with the time left; ``arithmetic`` labels accuracies that are not of plain floats."""

    def __init__(self, stage: str, *, arithmetic: str = "") -> None:
        self.stage = stage
        self._label = f" ({arithmetic})" if arithmetic else ""
        self._first_epoch = 0
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note the time."""
        del pl_module
        self._first_epoch, self._started = trainer.current_epoch, time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log this epoch's line."""
        del pl_module
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        per_epoch = (time.perf_counter() - self._started) / (done - self._first_epoch)
        metrics = trainer.callback_metrics
        log.info(
            "%s  epoch %d/%d  loss %.4f  validation accuracy %.2f %%%s  %.0f s left",
            self.stage,
            done,
            total,
            metrics["train/loss"],
            100 * metrics["val/accuracy"],
            self._label,
            per_epoch * (total - done),
        )

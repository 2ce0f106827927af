"""Progress as plain lines, for output that is not a terminal."""

import logging
import time

from lightning.pytorch import Callback, LightningModule, Trainer

from compression.core.class_scores import Validated, describe_validated

log = logging.getLogger(__name__)


class LineProgress(Callback):
    """One log line per epoch, with the remaining time of ``stage``.

    ``arithmetic`` labels accuracies of a network that does not compute in plain floats. ``monitor`` is the score that
    chooses the best epoch.
    """

    def __init__(self, stage: str, *, arithmetic: str = "", monitor: str = "accuracy") -> None:
        self.stage = stage
        self.monitor = monitor
        self._label = f" ({arithmetic})" if arithmetic else ""
        self._first_epoch = 0
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Store the start time and the first epoch."""
        del pl_module
        self._first_epoch, self._started = trainer.current_epoch, time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log loss, validation accuracy and remaining seconds."""
        del pl_module
        done, total = trainer.current_epoch + 1, trainer.max_epochs or 0
        per_epoch = (time.perf_counter() - self._started) / (done - self._first_epoch)
        metrics = trainer.callback_metrics
        score = None if self.monitor == "accuracy" else float(metrics[f"val/{self.monitor}"])
        found = Validated(float(metrics["val/accuracy"]), score)
        log.info(
            "%s  epoch %d/%d  loss %.4f  validation %s%s  %.0f s left",
            self.stage,
            done,
            total,
            metrics["train/loss"],
            describe_validated(found, self.monitor),
            self._label,
            per_epoch * (total - done),
        )

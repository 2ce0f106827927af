"""A line at the start of a training that continues from a checkpoint."""

import logging

from lightning.pytorch import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)


class ResumeNotice(Callback):
    """Says once after which epoch the training of ``stage`` goes on."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the number of epochs that the checkpoint brings; nothing for a new training."""
        del pl_module
        if trainer.current_epoch:
            log.info("%s  resumes from epoch %d of %d", self.stage, trainer.current_epoch, trainer.max_epochs or 0)

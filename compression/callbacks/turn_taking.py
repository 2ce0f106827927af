"""When a training takes its turn on the cores: before every batch, until it ends."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from compression.system.turns import Turns


class TakesTurns(Callback):
    """Lets trainings that share too few cores run in slices, one after the other."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def on_train_batch_start(self, *_: Any) -> None:
        """Wait for the cores."""
        self._turns.take()

    def on_validation_batch_start(self, *_: Any) -> None:
        """Wait for the cores."""
        self._turns.take()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave them while files are exported."""
        del trainer, pl_module
        self._turns.leave()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave them while checkpoints are written."""
        del trainer, pl_module
        self._turns.leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave them."""
        del trainer, pl_module, exception
        self._turns.leave()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave them."""
        del trainer, pl_module, stage
        self._turns.leave()

"""Time sharing of CPU cores by trainings: a turn is taken before every batch."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from compression.system.turns import Turns


class TakesTurns(Callback):
    """A training's use of ``turns``, so that trainings that share too few cores run alternately in time slices."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def on_train_batch_start(self, *_: Any) -> None:
        """Wait until this process holds its cores."""
        self._turns.take()

    def on_validation_batch_start(self, *_: Any) -> None:
        """Wait until this process holds its cores."""
        self._turns.take()

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Release the cores while files are exported."""
        del trainer, pl_module
        self._turns.leave()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Release the cores while checkpoints are written."""
        del trainer, pl_module
        self._turns.leave()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Release the cores if training ends with an error."""
        del trainer, pl_module, exception
        self._turns.leave()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Release the cores at the end of training."""
        del trainer, pl_module, stage
        self._turns.leave()

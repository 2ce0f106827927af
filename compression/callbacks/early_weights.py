"""Storage of the weights of an early epoch, for strategies that rewind to them."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from compression.tasks.classification import network


class EarlyWeights(Callback):
    """A single call of ``write(network)`` after ``epoch`` epochs of training, at least 1."""

    def __init__(self, epoch: int, write: Callable[[nn.Module], None]) -> None:
        self.epoch = epoch
        self.write = write

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the weights if ``epoch`` epochs are complete."""
        if trainer.current_epoch + 1 == self.epoch:
            self.write(network(pl_module))

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the last weights if training ended before ``epoch`` epochs."""
        if trainer.current_epoch < self.epoch:
            self.write(network(pl_module))

"""Export of a model at the end of a validation."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from compression.tasks.classification import network


class ExportCallback(Callback):
    """A call of ``write(network)`` at the end of every validation, with the network as validated."""

    def __init__(self, write: Callable[[nn.Module], None]) -> None:
        self.write = write

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the network."""
        del trainer
        self.write(network(pl_module))

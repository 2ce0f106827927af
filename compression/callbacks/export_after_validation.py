"""When a model is written: once it has been validated a last time."""

from collections.abc import Callable

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from compression.tasks.classification import network


class ExportCallback(Callback):
    """Hands the network to ``write`` at the end of validation, as it was validated."""

    def __init__(self, write: Callable[[nn.Module], None]) -> None:
        self.write = write

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the network."""
        del trainer
        self.write(network(pl_module))

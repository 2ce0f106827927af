"""Keep the weights of the best validated epoch."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.tasks.classification import network


class BestWeights(Callback):
    """Keeps a copy of the network with the highest ``val/accuracy`` since the beginning, or since ``restart``.

    Among equals the latest wins: it has trained longest. Pruning restarts it at every step, so that what is kept has
    the sparsity of the last one.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget what was kept."""
        self.accuracy = -1.0
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare this epoch with the best so far."""
        accuracy = trainer.callback_metrics["val/accuracy"].item()
        if accuracy >= self.accuracy:
            self.accuracy, self.epoch = accuracy, trainer.current_epoch
            state = network(pl_module).state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far."""
        return {"accuracy": self.accuracy, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best so far."""
        self.accuracy, self.epoch = state_dict["accuracy"], state_dict["epoch"]
        self.weights = state_dict["weights"]

"""A copy of the weights of the epoch with the best validation accuracy."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.tasks.classification import network


class BestWeights(Callback):
    """The weights with the highest ``val/accuracy`` since the start of training or the last ``restart``.

    Among equal accuracies the latest epoch wins, because it has trained longest. Pruning calls ``restart`` at every
    step, so that the kept weights have the sparsity of the last step. ``accuracy`` is a fraction (0 to 1), and
    ``weights`` is a state dict on the CPU; before the first validation they are -1 and empty.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Discard the kept weights and their accuracy."""
        self.accuracy = -1.0
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights of this epoch if none before had a higher accuracy."""
        accuracy = trainer.callback_metrics["val/accuracy"].item()
        if accuracy >= self.accuracy:
            self.accuracy, self.epoch = accuracy, trainer.current_epoch
            state = network(pl_module).state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return accuracy, epoch and weights of the best epoch so far."""
        return {"accuracy": self.accuracy, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best epoch that ``state_dict`` returned."""
        self.accuracy, self.epoch = state_dict["accuracy"], state_dict["epoch"]
        self.weights = state_dict["weights"]

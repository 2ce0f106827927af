"""A copy of the weights of the epoch with the best validation accuracy."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.core.class_scores import Validated
from compression.tasks.classification import network


class BestWeights(Callback):
    """The weights with the highest ``val/MONITOR`` since the start of training or the last ``restart``.

    ``monitor`` is accuracy, or another score that the task logs. Among equal scores the latest epoch wins, because it
    has trained longest. Pruning calls ``restart`` at every step, so that the kept weights have the sparsity of the last
    step. ``accuracy`` is that of the best epoch, a fraction (0 to 1); ``score`` is the monitored one, None if it is
    accuracy. ``weights`` is a state dict on the CPU; before the first validation it is empty and ``accuracy`` is -1.
    """

    def __init__(self, monitor: str = "accuracy") -> None:
        self.monitor = monitor
        self.restart()

    def restart(self) -> None:
        """Discard the kept weights and their scores."""
        self.accuracy = -1.0
        self.score: float | None = None
        self.epoch = -1
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights of this epoch if none before had a higher score."""
        accuracy = trainer.callback_metrics["val/accuracy"].item()
        score = None
        if self.monitor != "accuracy":
            score = trainer.callback_metrics[f"val/{self.monitor}"].item()
        found = Validated(accuracy, score)
        if found.monitored >= self.validated.monitored:
            (self.accuracy, self.score), self.epoch = found, trainer.current_epoch
            state = network(pl_module).state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    @property
    def validated(self) -> Validated:
        """Accuracy and monitored score of the best epoch so far."""
        return Validated(self.accuracy, self.score)

    def state_dict(self) -> dict[str, Any]:
        """Return scores, epoch and weights of the best epoch so far."""
        return {"accuracy": self.accuracy, "score": self.score, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best epoch that ``state_dict`` returned."""
        self.accuracy, self.epoch = state_dict["accuracy"], state_dict["epoch"]
        # A checkpoint of an earlier version has no score.
        self.score, self.weights = state_dict.get("score"), state_dict["weights"]

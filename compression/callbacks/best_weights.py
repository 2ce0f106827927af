"""A copy of the weights of the epoch with the best validation accuracy."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.core.class_scores import Validated
from compression.core.finite import are_finite
from compression.tasks.classification import network


class BestWeights(Callback):
    """The weights with the highest ``val/MONITOR`` since the start of training or the last ``restart``.

    ``monitor`` is accuracy, or another score that the task logs. Among equal scores the latest epoch wins, because it
    has trained longest. Pruning calls ``restart`` at every step, so that the kept weights have the sparsity of the last
    step. ``accuracy`` is that of the best epoch, a fraction (0 to 1); ``score`` is the monitored one, None if it is
    accuracy. ``weights`` is a state dict on the CPU; before the first validation it is empty and ``accuracy`` is -1.
    An epoch whose weights are not finite is never kept, whatever it answers: ``diverged`` is True if there was one and
    no other.
    """

    def __init__(self, monitor: str = "accuracy") -> None:
        self.monitor = monitor
        self.restart()

    def restart(self) -> None:
        """Discard the kept weights and their scores."""
        self.accuracy = -1.0
        self.score: float | None = None
        self.epoch = -1
        self.diverged = False
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights of this epoch if none before had a higher score."""
        accuracy = trainer.callback_metrics["val/accuracy"].item()
        score = None
        if self.monitor != "accuracy":
            score = trainer.callback_metrics[f"val/{self.monitor}"].item()
        found = Validated(accuracy, score)
        if found.monitored >= self.validated.monitored:
            state = network(pl_module).state_dict()
            if not are_finite(state):
                self.diverged = not self.weights
                return
            (self.accuracy, self.score), self.epoch, self.diverged = found, trainer.current_epoch, False
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    @property
    def validated(self) -> Validated:
        """Accuracy and monitored score of the best epoch so far."""
        return Validated(self.accuracy, self.score)

    def state_dict(self) -> dict[str, Any]:
        """Return scores, epoch and weights of the best epoch so far."""
        scores = {"accuracy": self.accuracy, "score": self.score, "epoch": self.epoch}
        return {**scores, "weights": self.weights, "diverged": self.diverged}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the best epoch that ``state_dict`` returned."""
        self.accuracy, self.epoch = state_dict["accuracy"], state_dict["epoch"]
        # A checkpoint of an earlier version has no score, and may hold weights that are not finite.
        self.diverged = state_dict.get("diverged", False)
        self.score, self.weights = state_dict.get("score"), state_dict["weights"]

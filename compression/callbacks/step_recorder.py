"""What every pruning step cost and what recovery gave back; and the end of pruning where it costs too much."""

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from compression.callbacks.best_weights import BestWeights
from compression.core.masks import MaskSet

Weights = Mapping[str, Tensor]


class StepRecorder(Callback):
    """Keeps a row a pruning step: step, update, sparsity, accuracy before and after recovery.

    ``measure`` gives validation accuracy. ``write(step, weights)`` gets the best weights of each step. Once the
    accuracy after recovery is below ``lowest``, pruning is ``stopped``, and ``accepted`` are (weights, masks, row) of
    the last step that was not, None if there was none.
    """

    def __init__(
        self,
        best: BestWeights,
        *,
        measure: Callable[[nn.Module], float],
        write: Callable[[int, Weights], None],
        lowest: float | None = None,
    ) -> None:
        self.best = best
        self.measure = measure
        self.write = write
        self.lowest = lowest
        self.rows: list[dict[str, Any]] = []
        self.stopped = False
        self.accepted: tuple[Weights, Weights, dict[str, Any]] | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stay stopped after a resume."""
        del pl_module
        trainer.should_stop = trainer.should_stop or self.stopped

    def begin_step(self, net: nn.Module, masks: MaskSet, *, step: int, update: int, pruning: bool) -> None:
        """Note the accuracy before recovery, and forget the best weights of the step before."""
        self.best.restart()
        if pruning:
            self.rows.append(
                {
                    "step": step,
                    "update": update,
                    "sparsity": masks.sparsity,
                    "accuracy_before": self.measure(net),
                    "accuracy_after": None,
                }
            )

    def finish_step(self, net: nn.Module, masks: MaskSet) -> None:
        """Note the accuracy after recovery; where no epoch has ended since the step, that of ``net`` as it is."""
        if not self.rows or self.rows[-1]["accuracy_after"] is not None:
            return
        row, weights = self.rows[-1], self.best.weights or _copy(net.state_dict())
        row["accuracy_after"] = self.best.accuracy if self.best.weights else self.measure(net)
        self.write(row["step"], weights)
        if self.lowest is None:
            return
        if row["accuracy_after"] < self.lowest:
            self.stopped = True
        else:
            self.accepted = (weights, _copy(masks), row)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows and the last accepted model."""
        return {"rows": self.rows, "stopped": self.stopped, "accepted": self.accepted}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up both."""
        self.rows, self.stopped = state_dict["rows"], state_dict["stopped"]
        self.accepted = state_dict["accepted"]


def _copy(tensors: Weights) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}

"""Accuracy before and after recovery for every pruning step, and the end of pruning if accuracy becomes too low."""

from collections.abc import Callable, Mapping
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from compression.callbacks.best_weights import BestWeights
from compression.core.class_scores import Validated
from compression.core.finite import refuse_diverged
from compression.core.masks import MaskSet

Weights = Mapping[str, Tensor]


class StepRecorder(Callback):
    """One row per pruning step: step, update, sparsity, accuracy before and after recovery.

    ``measure`` returns the validation accuracy of a network as a fraction (0 to 1), with the monitored score if that is
    another one; rows then have ``score_before`` and ``score_after`` too. ``write(step, weights)`` gets the best weights
    of each step. If the monitored score after recovery is below ``lowest``, ``stopped`` becomes True and pruning ends.
    If ``lowest`` is given, ``accepted`` is (weights, masks, row) of the last step that was good enough, or None if
    there is no such step.
    """

    def __init__(
        self,
        best: BestWeights,
        *,
        measure: Callable[[nn.Module], Validated],
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
        """Stop training at once if a checkpoint says that pruning has ended."""
        del pl_module
        trainer.should_stop = trainer.should_stop or self.stopped

    def begin_step(self, net: nn.Module, masks: MaskSet, *, step: int, update: int, pruning: bool) -> None:
        """Add a row with the accuracy before recovery, and discard the best weights of the step before.

        A step that only moves weights (``pruning=False``) adds no row.
        """
        self.best.restart()
        if pruning:
            before = self.measure(net)
            self.rows.append(
                {
                    "step": step,
                    "update": update,
                    "sparsity": masks.sparsity,
                    "accuracy_before": before.accuracy,
                    "accuracy_after": None,
                    **({} if before.score is None else {"score_before": before.score, "score_after": None}),
                }
            )

    @property
    def unfinished(self) -> bool:
        """Whether the row of the current step lacks the accuracy after recovery."""
        return bool(self.rows) and self.rows[-1]["accuracy_after"] is None

    def finish_step(self, net: nn.Module, masks: MaskSet) -> None:
        """Complete the row of the current step with the accuracy after recovery, and write its best weights.

        If no epoch was validated since the step, the weights and accuracy are those of ``net``. Does nothing if the row
        is complete. Raises ``InputError`` if no epoch since the step has finite weights.
        """
        if not self.unfinished:
            return
        if self.best.diverged:
            refuse_diverged("prune")
        row, weights = self.rows[-1], self.best.weights or _copy(net.state_dict())
        after = self.best.validated if self.best.weights else self.measure(net)
        row["accuracy_after"] = after.accuracy
        if after.score is not None:
            row["score_after"] = after.score
        self.write(row["step"], weights)
        if self.lowest is None:
            return
        if after.monitored < self.lowest:
            self.stopped = True
        else:
            self.accepted = (weights, _copy(masks), row)

    def state_dict(self) -> dict[str, Any]:
        """Return the rows, whether pruning has stopped, and the last accepted model."""
        return {"rows": self.rows, "stopped": self.stopped, "accepted": self.accepted}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what ``state_dict`` returned."""
        self.rows, self.stopped = state_dict["rows"], state_dict["stopped"]
        self.accepted = state_dict["accepted"]


def _copy(tensors: Weights) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in tensors.items()}

"""The curves of a resumed training: points from before the checkpoint are logged again."""

from lightning.pytorch import Callback, LightningModule, Trainer

from compression.callbacks.epoch_history import History
from compression.callbacks.pruning import PruningCallback


class CurveReplay(Callback):
    """Logs the rows of ``history`` and the sparsities of pruning steps that a checkpoint brings.

    So the curves of a resumed training are complete, whatever the logger had lost when the process was killed.
    """

    def __init__(self, history: History) -> None:
        self.history = history

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log all points of the checkpoint. A checkpoint of a finished training starts none."""
        del pl_module
        if trainer.logger is None:
            return
        points = [
            (int(row["update"]), {key: value for key, value in row.items() if key != "update"})
            for row in self.history.rows
        ]
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, PruningCallback):
                points += callback.sparsity_steps
        for update, values in points:
            trainer.logger.log_metrics(dict(values), step=update)

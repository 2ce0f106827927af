"""Distillation during training: the student's objective replaces that of the task."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from compression.distillation.objective import Distillation
from compression.tasks.classification import Classification, Objective


class DistillationCallback(Callback):
    """Use of ``distillation`` as the objective of a ``Classification`` task while the task is fitted.

    Parameters that are trained besides the student join its optimizer and the state of this callback. The teacher does
    not enter any optimizer or checkpoint.
    """

    def __init__(self, distillation: Distillation) -> None:
        self.distillation = distillation
        self._usual: Objective | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Replace the objective, before the optimizer is created and a checkpoint is loaded."""
        if stage != "fit":
            return
        assert isinstance(pl_module, Classification)
        self._usual = pl_module.objective
        pl_module.objective = self.distillation
        pl_module.trained_beside = list(self.distillation.learned.parameters())
        self.distillation.to(trainer.strategy.root_device)
        self.distillation.attach(pl_module.net)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the task's own objective."""
        del trainer
        self._end(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the task's own objective if training ends with an error."""
        del trainer, exception
        self._end(pl_module)

    def _end(self, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classification)
        if self._usual is not None:
            pl_module.objective, self._usual = self._usual, None
            pl_module.trained_beside = []
        self.distillation.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return the parameters that are trained besides the student, by name."""
        return dict(self.distillation.learned.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the parameters that ``state_dict`` returned."""
        self.distillation.learned.load_state_dict(state_dict)

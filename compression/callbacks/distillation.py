"""When a student is taught: from the beginning of a training to its end."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from compression.distillation.objective import Distillation
from compression.tasks.classification import Classification, Objective


class DistillationCallback(Callback):
    """Puts ``distillation`` in the place of the task's objective while it is fitted.

    What is learned beside the student goes to its optimizer, and into this callback's state; the teacher goes nowhere.
    """

    def __init__(self, distillation: Distillation) -> None:
        self.distillation = distillation
        self._usual: Objective | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin, before the optimizer is made and a checkpoint is read."""
        if stage != "fit":
            return
        assert isinstance(pl_module, Classification)
        self._usual = pl_module.objective
        pl_module.objective = self.distillation
        pl_module.trained_beside = list(self.distillation.learned.parameters())
        self.distillation.to(trainer.strategy.root_device)
        self.distillation.attach(pl_module.net)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Put the task's own objective back."""
        del trainer
        self._end(pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Put it back as well where training breaks off."""
        del trainer, exception
        self._end(pl_module)

    def _end(self, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Classification)
        if self._usual is not None:
            pl_module.objective, self._usual = self._usual, None
            pl_module.trained_beside = []
        self.distillation.detach()

    def state_dict(self) -> dict[str, Any]:
        """Return what was learned beside the student."""
        return dict(self.distillation.learned.state_dict())

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up."""
        self.distillation.learned.load_state_dict(state_dict)

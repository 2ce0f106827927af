"""Faster exact forms of convolutions, used from the start of a training to its end."""

from contextlib import ExitStack
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.core.conv_forms import choose_forms, using_forms
from compression.tasks.classification import network


class ExactForms(Callback):
    """The forms of a training. They are chosen once, when it begins, and kept in its checkpoint.

    A resumed training uses the same forms, whatever machine or version resumes it, so that it gives the same result.
    ``example: [B, C, H, W]`` has the size of the images.
    """

    def __init__(self, example: Tensor) -> None:
        self.forms: dict[str, str] | None = None
        self._example = example
        self._in_use = ExitStack()

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose the forms, unless a checkpoint gave them, and use them."""
        net = network(pl_module)
        if self.forms is None:
            # A checkpoint without forms comes from a version that had none.
            self.forms = {} if trainer.ckpt_path else choose_forms(net, self._example.to(pl_module.device))
        self._in_use.enter_context(using_forms(net, self.forms))

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave the network as it was."""
        del trainer, pl_module, stage
        self._in_use.close()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Leave the network as it was."""
        del trainer, pl_module, exception
        self._in_use.close()

    def state_dict(self) -> dict[str, Any]:
        """Return the forms by the name of the layer."""
        return {"forms": dict(self.forms or {})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Use the forms of the interrupted training."""
        self.forms = dict(state_dict["forms"])

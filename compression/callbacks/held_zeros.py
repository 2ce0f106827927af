"""Pruned weights kept at zero while something else is trained, such as the rounding of weights."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from compression.core.masks import MaskSet
from compression.tasks.classification import network


class HeldZeros(Callback):
    """Masks that keep pruned weights at zero during training.

    The weights must already be zero when training starts, both the first time and after an interruption.
    """

    def __init__(self, masks: MaskSet) -> None:
        self.masks = masks

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Move the masks to the device of the weights."""
        del trainer
        self.masks = self.masks.to(pl_module.device)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Set the gradients of pruned weights to zero, so that the step does not change these weights."""
        del trainer, optimizer
        self.masks.mask_gradients_(network(pl_module))

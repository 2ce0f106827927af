"""What was pruned stays pruned while something else is trained: rounding, for one."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from compression.core.masks import MaskSet
from compression.tasks.classification import network


class HeldZeros(Callback):
    """Keeps weights at zero that are zero when training starts, the first time as after each interruption."""

    def __init__(self, masks: MaskSet) -> None:
        self.masks = masks

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the masks to where the weights are."""
        del trainer
        self.masks = self.masks.to(pl_module.device)

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Keep pruned weights at zero through the step."""
        del trainer, optimizer
        self.masks.mask_gradients_(network(pl_module))

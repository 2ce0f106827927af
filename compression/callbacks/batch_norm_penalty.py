"""An L1 penalty on batch-norm scales during training: network slimming (arXiv:1708.06519)."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.nn.modules.batchnorm import _BatchNorm

from compression.tasks.classification import network


class BatchNormPenalty(Callback):
    """The penalty ``strength * |gamma|`` on every batch-norm scale gamma that is trained."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    @torch.no_grad()
    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """Add the subgradient ``strength * sign(gamma)`` to the gradients of all scales."""
        del trainer, optimizer
        for module in network(pl_module).modules():
            if isinstance(module, _BatchNorm) and module.weight is not None and module.weight.grad is not None:
                module.weight.grad.add_(module.weight.sign(), alpha=self.strength)

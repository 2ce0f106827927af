"""Image classification with cross-entropy or another objective."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics.classification import MulticlassAccuracy

from compression.core.channels_last import to_channels_last_
from compression.core.label_loss import LabelLoss
from compression.tasks.class_score import ClassScore

Batch = tuple[Tensor, Tensor]
# (images, logits, labels) -> the "loss" to minimize, and other values to log, by name.
Objective = Callable[[Tensor, Tensor, Tensor], Mapping[str, Tensor]]


class Classification(LightningModule):
    """The training of ``net``, which maps ``[B, channels, H, W]`` to ``logits: [B, C]``.

    ``optimizer`` makes an optimizer of a list of parameters. ``lr_factor`` returns the factor of its learning rate at
    an update (from 0). ``objective`` is minimized; it is ``label_loss``, cross-entropy by default, unless a callback
    replaces it. ``trained_beside`` are parameters of such a callback that are trained with the network. ``monitor`` is
    the score that chooses the best epoch; one other than accuracy is logged as well.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        num_classes: int,
        optimizer: Callable[..., torch.optim.Optimizer],
        lr_factor: Callable[[int], float],
        label_loss: LabelLoss | None = None,
        monitor: str = "accuracy",
    ) -> None:
        super().__init__()
        self.net = to_channels_last_(net)
        self.optimizer_factory = optimizer
        self.lr_factor = lr_factor
        self.label_loss = label_loss or LabelLoss()
        self.objective: Objective = self.label_objective
        self.monitor = monitor
        self.trained_beside: list[nn.Parameter] = []
        # Changes the size of training images, if a callback sets it.
        self.resize: Callable[[Tensor], Tensor] | None = None
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.val_accuracy = MulticlassAccuracy(num_classes, average="micro")
        self.val_score = None if monitor == "accuracy" else ClassScore(num_classes, monitor=monitor)

    def forward(self, images: Tensor) -> Tensor:
        """Return ``logits: [B, C]`` of normalized ``images: [B, channels, H, W]``."""
        logits: Tensor = self.net(images.contiguous(memory_format=torch.channels_last))
        return logits

    def label_objective(self, images: Tensor, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the loss of the labels as ``loss``, averaged over the batch."""
        del images
        return {"loss": self.label_loss(logits, labels)}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of one batch; log all values of the objective and the accuracy, averaged over the epoch."""
        images, labels = batch
        if self.resize is not None:
            images = self.resize(images)
        logits = self(images)
        losses = self.objective(images, logits, labels)
        self.train_accuracy(logits.detach(), labels)
        size = len(labels)
        for name, value in losses.items():
            self.log(f"train/{name}", value, on_step=False, on_epoch=True, batch_size=size, sync_dist=True)
        self.log("train/accuracy", self.train_accuracy, on_step=False, on_epoch=True, batch_size=size)
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Log cross-entropy, accuracy and the monitored score of a batch, and return its logits for callbacks."""
        images, labels = batch
        logits = self(images)
        self.val_accuracy(logits, labels)
        size = len(labels)
        self.log("val/loss", cross_entropy(logits.float(), labels), batch_size=size, sync_dist=True)
        self.log("val/accuracy", self.val_accuracy, batch_size=size, prog_bar=True)
        if self.val_score is not None:
            self.val_score(logits, labels)
            self.log(f"val/{self.monitor}", self.val_score, batch_size=size, prog_bar=True)
        return logits

    def configure_optimizers(self) -> Any:
        """Return the optimizer, and the schedule that changes its learning rate at every update."""
        optimizer = self.optimizer_factory([*self.net.parameters(), *self.trained_beside])
        for group in optimizer.param_groups:
            # All tensors in one call give the same bits and take less time. PyTorch does so by itself on GPUs only.
            if group.get("foreach", True) is None and not group.get("fused"):
                group["foreach"] = True
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self.lr_factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def network(module: LightningModule) -> nn.Module:
    """Return the network that ``module`` trains, which is the part to prune, save and export."""
    net = module.net
    assert isinstance(net, nn.Module)
    return net

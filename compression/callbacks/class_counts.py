"""Correctly classified images of each class in a validation."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from compression.core.accuracy import count_hits_of
from compression.tasks.classification import Batch


class ClassCounts(Callback):
    """``hits`` and ``totals`` of the last validation: correctly classified and all images by class, int64 ``[C]``."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.hits = self.totals = torch.zeros(num_classes, dtype=torch.int64)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set all counts to zero."""
        del trainer, pl_module
        self.hits, self.totals = (torch.zeros(self.num_classes, dtype=torch.int64) for _ in range(2))

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Tensor | Mapping[str, Any] | None,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count a batch. ``outputs`` are its logits."""
        del trainer, pl_module, batch_idx, dataloader_idx
        assert isinstance(outputs, Tensor)
        hits, totals = count_hits_of(outputs, batch[1], self.num_classes)
        self.hits += hits
        self.totals += totals

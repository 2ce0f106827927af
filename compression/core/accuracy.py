"""Accuracy, in all and class by class."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


@torch.inference_mode()
def count_hits(
    model: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return (hits, images) per class, int64 ``[K]`` each.

    ``batches`` give (images ``[B, 3, H, W]``, labels ``[B]``) where ``model``, or what else gives logits, wants them.
    """
    hits = torch.zeros(num_classes, dtype=torch.int64)
    totals = torch.zeros(num_classes, dtype=torch.int64)
    for images, labels in batches:
        right = model(images).argmax(1) == labels
        hits += torch.bincount(labels[right].cpu(), minlength=num_classes)
        totals += torch.bincount(labels.cpu(), minlength=num_classes)
    return hits, totals

"""Counts of correctly classified images, for accuracy overall and per class."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


@torch.inference_mode()
def count_hits(
    model: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return (correctly classified images, all images) per class, both int64 ``[C]`` on the CPU.

    ``model`` is a network or any other function that returns ``logits: [B, C]`` for images. ``batches`` yield
    (``images: [B, 3, H, W]``, ``labels: [B]``) on the device of ``model``.
    """
    hits = torch.zeros(num_classes, dtype=torch.int64)
    totals = torch.zeros(num_classes, dtype=torch.int64)
    for images, labels in batches:
        right = model(images).argmax(1) == labels
        hits += torch.bincount(labels[right].cpu(), minlength=num_classes)
        totals += torch.bincount(labels.cpu(), minlength=num_classes)
    return hits, totals

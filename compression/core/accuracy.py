"""Logits of networks on labelled images, and counts of correctly classified images overall and per class."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor


@torch.inference_mode()
def collect_logits(
    models: Mapping[str, Callable[[Tensor], Tensor]], batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[dict[str, Tensor], Tensor]:
    """Run all ``models`` in one pass over the images; return their logits by name, and the labels, on the CPU.

    A model is a network or any other function that returns ``logits: [B, C]`` for images. ``batches`` yield (``images:
    [B, channels, H, W]``, ``labels: [B]``), at least once. The logits are float32 ``[N, C]``, the labels int64 ``[N]``.
    """
    logits: dict[str, list[Tensor]] = {name: [] for name in models}
    seen: list[Tensor] = []
    for images, labels in batches:
        for name, model in models.items():
            # A network may overwrite its input, which the next one reads.
            logits[name].append(model(images.clone()).float().cpu())
        seen.append(labels.cpu())
    return {name: torch.cat(parts) for name, parts in logits.items()}, torch.cat(seen)


@torch.inference_mode()
def count_hits(
    model: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]], num_classes: int
) -> tuple[Tensor, Tensor]:
    """Return what ``count_hits_of`` returns, summed over batches.

    ``model`` is a network or any other function that returns ``logits: [B, C]`` for images. ``batches`` yield
    (``images: [B, channels, H, W]``, ``labels: [B]``) on the device of ``model``.
    """
    hits = torch.zeros(num_classes, dtype=torch.int64)
    totals = torch.zeros(num_classes, dtype=torch.int64)
    for images, labels in batches:
        found, seen = count_hits_of(model(images), labels, num_classes)
        hits += found
        totals += seen
    return hits, totals


def count_hits_of(logits: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Return (correctly classified images, all images) per class, both int64 ``[C]`` on the CPU.

    ``logits: [N, C]`` are those of images with ``labels: [N]``. Among equal logits the first class is the prediction.
    """
    right = logits.argmax(1) == labels
    hits = torch.bincount(labels[right].cpu(), minlength=num_classes)
    return hits, torch.bincount(labels.cpu(), minlength=num_classes)

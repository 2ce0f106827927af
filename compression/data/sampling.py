"""Balanced sampling: every class equally often in an epoch."""

import torch
from torch import Tensor


def draw_balanced(labels: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return as many indices as ``labels: [N]``, int64 ``[N]``, in random order, every class equally often.

    Each of the K classes occurs ``N // K`` times; ``N % K`` of them, drawn by ``generator``, occur once more. A class's
    images are drawn in complete passes, so no image occurs twice more often than another of its class. A large class
    shows other images in every epoch.
    """
    classes, num = labels.unique(), len(labels)
    quotas = torch.full((len(classes),), num // len(classes))
    quotas[torch.randperm(len(classes), generator=generator)[: num % len(classes)]] += 1
    drawn = []
    for label, quota in zip(classes.tolist(), quotas.tolist(), strict=True):
        own = (labels == label).nonzero().flatten()
        passes = [own[torch.randperm(len(own), generator=generator)] for _ in range(-(-quota // len(own)))]
        drawn.append(torch.cat([own[:0], *passes])[:quota])
    return torch.cat(drawn)[torch.randperm(num, generator=generator)]

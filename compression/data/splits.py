"""Stratified splits: exact totals, and every class of two or more images in both parts."""

import math

import torch
from torch import Tensor

from compression.core.seeding import make_generator


def count_part(class_counts: Tensor, *, fraction: float) -> Tensor:
    """Return how many images of each class go into a part of ``ceil(fraction * N)`` of all N images.

    ``class_counts`` are int64 ``[C]``, and so is the result. Each class gets its proportional share, rounded so that
    the total is exact. A class of two or more images has at least one on each side, even if this changes the total.
    """
    sizes = [int(size) for size in class_counts]
    total = sum(sizes)
    # The product of two exact decimals may land just above an integer: 0.07 * 100 is 7.000000000000001.
    wanted = math.ceil(round(fraction * total, 6))
    least = [1 if size >= 2 else 0 for size in sizes]
    most = [max(size - 1, 0) for size in sizes]
    wanted = min(max(wanted, sum(least)), sum(most))
    quotas = [size * wanted / total if total else 0.0 for size in sizes]
    counts = [min(max(int(q), lo), hi) for q, lo, hi in zip(quotas, least, most, strict=True)]
    while sum(counts) < wanted:
        open_ = [c for c in range(len(sizes)) if counts[c] < most[c]]
        counts[max(open_, key=lambda c: (quotas[c] - counts[c], -c))] += 1
    while sum(counts) > wanted:
        open_ = [c for c in range(len(sizes)) if counts[c] > least[c]]
        counts[max(open_, key=lambda c: (counts[c] - quotas[c], -c))] -= 1
    return torch.tensor(counts, dtype=torch.int64)


def split_stratified(labels: Tensor, *, fraction: float, order: Tensor) -> tuple[Tensor, Tensor]:
    """Return indices of images as (rest, part), both int64 and ascending.

    ``labels`` are int64 ``[N]``; ``order`` is a permutation, int64 ``[N]``. ``part`` gets the first images of each
    class along ``order``; ``count_part`` says how many.
    """
    assert sorted(order.tolist()) == list(range(len(labels))), "order must be a permutation"
    num_classes = int(labels.max()) + 1 if len(labels) else 0
    counts = count_part(torch.bincount(labels, minlength=num_classes), fraction=fraction)
    chosen = torch.zeros(len(labels), dtype=torch.bool)
    ordered = labels[order]
    for index, count in enumerate(counts.tolist()):
        chosen[order[ordered == index][:count]] = True
    return (~chosen).nonzero().flatten(), chosen.nonzero().flatten()


def order_by_seed(length: int, *purpose: str | int) -> Tensor:
    """Return a random permutation of ``range(length)`` that depends only on ``purpose``, such as ``(seed, "val")``."""
    return torch.randperm(length, generator=make_generator(*purpose))


def order_by_content(digests: list[str], names: list[str]) -> Tensor:
    """Return the permutation that sorts images by content hash, then by name; the input order has no effect.

    Images of equal content are neighbours, so a split along this order keeps nearly all of them on one side.
    """
    ranked = sorted(range(len(names)), key=lambda i: (digests[i], names[i]))
    return torch.tensor(ranked, dtype=torch.int64)

"""Stratified splits of a label vector: exact totals, every class in both parts where it has two images."""

import math

import torch
from torch import Tensor

from compression.core.seeding import make_generator


def count_part(class_counts: Tensor, *, fraction: float) -> Tensor:
    """Return how many images of each class go into a part of ``ceil(fraction * N)`` images.

    class_counts: int64 [K]; returns int64 [K]. A class gets its proportional share, rounded so that the
    total is exact; a class of two images or more leaves at least one on each side, even where this moves
    the total.
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
    """Split indices into (rest, part); ``part`` takes each class's first images along ``order``.

    labels: int64 [N]; order: a permutation, int64 [N]. Both results are ascending int64 vectors.
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
    """Return the permutation of ``length`` that belongs to a named purpose, e.g. ``(seed, "val")``."""
    return torch.randperm(length, generator=make_generator(*purpose))


def order_by_content(digests: list[str], names: list[str]) -> Tensor:
    """Return the permutation that sorts images by content digest, then name: the same in any listing order.

    Equal images are neighbours, so a split along this order keeps nearly all of them on one side.
    """
    ranked = sorted(range(len(names)), key=lambda i: (digests[i], names[i]))
    return torch.tensor(ranked, dtype=torch.int64)

"""Stratified splits that keep groups of images, such as all pictures of one part or patient, on one side."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from compression.data.splits import count_part


def split_grouped(labels: Tensor, *, groups: Sequence[str], fraction: float, order: Tensor) -> tuple[Tensor, Tensor]:
    """Return indices of images as (rest, part), both int64 and ascending; no group is on both sides.

    ``labels`` are int64 ``[N]``, ``groups`` N keys, ``order`` a permutation, int64 ``[N]``. Groups join ``part`` in the
    order of their first image, as long as each brings the classes nearer to the numbers of ``count_part``. A class of
    two or more groups has at least one group on each side, unless larger groups of several classes prevent it. If each
    image is a group, the result is that of ``split_stratified``.
    """
    num_classes = int(labels.max()) + 1 if len(labels) else 0
    wanted = count_part(torch.bincount(labels, minlength=num_classes), fraction=fraction).tolist()
    sizes: dict[str, Counter[int]] = {}
    for index in order.tolist():
        sizes.setdefault(groups[index], Counter())[int(labels[index])] += 1
    free = Counter(label for size in sizes.values() for label in size)
    taken: Counter[int] = Counter()
    chosen: set[str] = set()

    def take(group: str) -> None:
        chosen.add(group)
        taken.update(sizes[group])
        free.subtract(sizes[group].keys())

    def leaves_another(group: str) -> bool:
        return all(free[label] > 1 for label in sizes[group])

    for group, size in sizes.items():
        gain = sum(
            abs(wanted[label] - taken[label]) - abs(wanted[label] - taken[label] - num) for label, num in size.items()
        )
        if gain > 0 and leaves_another(group):
            take(group)
    for label in range(num_classes):
        if wanted[label] and not taken[label]:
            able = [group for group, size in sizes.items() if size[label] and group not in chosen]
            able = [group for group in able if leaves_another(group)]
            if able:
                take(min(able, key=lambda group: sizes[group].total()))
    inside = torch.tensor([group in chosen for group in groups], dtype=torch.bool)
    return (~inside).nonzero().flatten(), inside.nonzero().flatten()


def unite_groups(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Return a key for each image, equal where ``first`` or ``second`` is, or where a chain of equal keys leads."""
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    marked = [(f"1{one}", f"2{other}") for one, other in zip(first, second, strict=True)]
    for one, other in marked:
        parent[find(other)] = find(one)
    return [find(one) for one, _ in marked]

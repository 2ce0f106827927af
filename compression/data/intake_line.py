"""The line about the data before training: classes and their sizes, parts, formats, mirroring."""

from collections.abc import Mapping, Sequence

import torch

from compression.data.base import ImageData

# Classes that are named in full; of more, the two largest and the smallest.
_MOST_NAMED = 4


def intake_line(data: ImageData, *, mirrored: bool = False) -> str:
    """Return e.g. ``6 classes: free 952, blowhole 115, ... fray 32; train 967, val 108, test 269; 1:2 to 2:1``.

    ``mirrored`` says that training images are flipped from left to right at random.
    """
    parts = {"train": data.train, "val": data.val, "test": data.test}
    sizes = ", ".join(f"{name} {len(part):,}" for name, part in parts.items())
    labels = torch.cat([part.labels.cpu() for part in parts.values()])
    counts = torch.bincount(labels, minlength=data.num_classes).tolist()
    about = [describe_classes(dict(zip(data.class_names, counts, strict=True))), sizes, data.shapes]
    return "; ".join(filter(None, (*about, "mirrored in training" if mirrored else "")))


def describe_classes(counts: Mapping[str, int]) -> str:
    """Return the number of classes and the number of images of each, largest first, shortened if there are many."""
    ranked = sorted(counts, key=lambda name: -counts[name])
    if len(set(counts.values())) == 1:
        return f"{len(counts)} classes of {counts[ranked[0]]:,}: {_shorten(ranked)}"
    return f"{len(counts)} classes: {_shorten([f'{name} {counts[name]:,}' for name in ranked])}"


def _shorten(items: Sequence[str]) -> str:
    if len(items) <= _MOST_NAMED:
        return ", ".join(items)
    return f"{items[0]}, {items[1]}, ... {items[-1]}"

"""Warning of a validation part that is too small to choose an epoch by."""

from collections.abc import Sequence

import torch

from compression.core.class_scores import MONITORS
from compression.core.errors import printable
from compression.data.base import ImageData

# Above this number of points per image, chance decides which epoch is best.
_POINTS = 1.0


def list_size_warnings(images: ImageData, *, monitor: str) -> list[str]:
    """Return a line if one validation image is more than a point of the ``monitor`` score; else nothing.

    For accuracy an image is ``100 / N`` points. For the scores that count classes equally, an image of the smallest of
    K classes with n images is ``100 / (K n)`` points.
    """
    counts = torch.bincount(images.val.labels.cpu(), minlength=images.num_classes).tolist()
    return describe_step(counts, class_names=images.class_names, monitor=monitor)


def describe_step(counts: Sequence[int], *, class_names: Sequence[str], monitor: str) -> list[str]:
    """Return the line for ``counts`` validation images of each class."""
    present = [(count, name) for count, name in zip(counts, class_names, strict=True) if count]
    if not present:
        return []
    total, advice = sum(counts), "a larger data.val_fraction makes the choice of an epoch less of a chance"
    if monitor == "accuracy":
        points = 100 / total
        if points <= _POINTS:
            return []
        return [f"validation has {total} images, so one of them is {points:.1f} points of accuracy: {advice}"]
    count, name = min(present)
    points = 100 / (len(present) * count)
    if points <= _POINTS:
        return []
    line = (
        f"validation has {count} {'image' if count == 1 else 'images'} of class {printable(name)}, so one of them is "
    )
    return [f"{line}{points:.1f} points of {MONITORS[monitor]}: {advice}"]

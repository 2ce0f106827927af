"""Parts of a split: chosen images, or a number of images spread evenly."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Subset

from compression.data.base import Split


def take(split: Split, indices: Sequence[int]) -> Split:
    """Return the images at ``indices``, in that order. Streamed images stay streamed."""
    images, labels = split.images, split.labels[torch.tensor(indices, dtype=torch.int64, device=split.labels.device)]
    if isinstance(images, Tensor):
        return Split(images[torch.tensor(indices, dtype=torch.int64, device=images.device)], labels)
    # Subset has the length and the access by index of an ImageSource, with other names in its types.
    return Split(Subset(images, indices), labels)  # type: ignore[arg-type]


def take_spread(split: Split, num_images: int) -> Split:
    """Return ``num_images`` images spread evenly over ``split``, or all of them if there are fewer.

    Evenly, because a folder lists its classes one after the other.
    """
    total = len(split)
    if num_images >= total:
        return split
    return take(split, [index * total // num_images for index in range(num_images)])


def read_pixels(split: Split, indices: Sequence[int]) -> NDArray[np.uint8]:
    """Return the images at ``indices`` as uint8 ``[N, H, W, C]``, as pictures have them."""
    if not indices:
        return np.empty((0, 1, 1, 3), np.uint8)
    images: NDArray[np.uint8] = torch.stack([split.images[index].cpu() for index in indices]).numpy()
    return images.transpose(0, 2, 3, 1)

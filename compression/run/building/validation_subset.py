"""Some of the held-out training images, for what reads them often."""

import torch
from torch import Tensor

from compression.run.context import Context


def held_out_images(context: Context, num_images: int) -> list[tuple[Tensor, Tensor]]:
    """Return ``num_images`` held-out training images in batches, or as many as there are.

    They are spread evenly over all of them: a folder lists its classes one after the other.
    """
    total = len(context.data.val)
    wanted = torch.zeros(total, dtype=torch.bool)
    wanted[torch.arange(min(num_images, total)) * total // min(num_images, total)] = True
    batches, start = [], 0
    for images, labels in context.val_batches():
        chosen = wanted[start : start + len(labels)].to(images.device)
        start += len(labels)
        if chosen.any():
            batches.append((images[chosen].contiguous(memory_format=torch.channels_last), labels[chosen]))
    return batches

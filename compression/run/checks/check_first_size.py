"""The check of a training that begins with smaller images."""

import torch
from torch import nn

from compression.callbacks.progressive_size import size_of_epoch
from compression.core.errors import InputError, first_line
from compression.core.eval_mode import evaluating
from compression.models.network_traits import UNSUITABLE
from compression.run.checks.network_errors import small_batch
from compression.run.context import Context


def check_first_size(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` unless ``model`` takes the small images of the first epoch."""
    training = context.config.training
    if training.first_size == 1:
        return
    full = context.data.image_size
    first = size_of_epoch(full, epoch=0, num_epochs=training.epochs, first=training.first_size)
    images, _ = small_batch(context, size=first)
    try:
        with evaluating(model), torch.no_grad():
            model(images)
    except UNSUITABLE as error:
        raise InputError(
            f"model {context.config.model['_target_']} does not run on {first} pixels, where "
            f"training.first_size={training.first_size} begins: {first_line(error)[:300]}; must be larger, or 1"
        ) from error

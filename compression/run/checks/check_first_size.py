"""The check of trainings that begin with smaller images."""

import torch
from torch import nn

from compression.callbacks.progressive_size import list_sizes
from compression.core.tracing import copy_network
from compression.run.building.given_weights import starts_from_weights
from compression.run.checks.network_errors import as_input_error, small_batch
from compression.run.context import Context
from compression.run.training.teaching import student_epochs


def check_first_size(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` unless ``model`` can be trained on images of every size that ``first_size`` leads to."""
    for size in find_small_sizes(context):
        images, _ = small_batch(context, size=size)
        with (
            torch.random.fork_rng(devices=[]),
            torch.no_grad(),
            as_input_error(
                context,
                f"does not train on {size} pixels, which training.first_size={context.config.training.first_size} "
                "leads to",
                advice="training.first_size must be larger, or 1",
            ),
        ):
            copy_network(model).train()(images)


def find_small_sizes(context: Context) -> list[int]:
    """Return the pixels of one side of smaller training images of ``context``; none if all have full size."""
    config, full = context.config, context.data.image_size
    learns = context.teacher is not None
    trains = learns or config.model.get("weights") is None or starts_from_weights(context)
    if config.training.first_size == 1 or not trains:
        return []
    num_epochs = student_epochs(context) if learns else config.training.epochs
    sizes = list_sizes(full, num_epochs=num_epochs, first=config.training.first_size)
    return [size for size in sizes if size < full]

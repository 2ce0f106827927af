"""Checks of a model before training: it can be built, it runs on the data's images, and the optimizer accepts it."""

import torch
from hydra.utils import instantiate
from torch import nn

from compression.core.errors import InputError, first_line
from compression.models.network_traits import UNSUITABLE, find_lazy
from compression.run.context import Context


def check_model(context: Context) -> nn.Module:
    """Return the network that training will build; raises ``InputError`` if data or optimizer do not fit it."""
    settings = context.config.model
    pretrained = bool(settings.get("pretrained"))
    if pretrained and settings.get("weights") is not None:
        raise InputError(f"model.pretrained=true contradicts model.weights={settings['weights']}: give one of them")
    model = context.build_model(pretrained=pretrained)
    _check_forward(context, model)
    if lazy := find_lazy(model):
        raise InputError(
            f"model {settings['_target_']}: {lazy[0]} has no shape after a run of the network, because its lazy layer "
            "never runs; remove the layer"
        )
    try:
        optimizer = instantiate(context.config.training.optimizer)(model.parameters())
    except (TypeError, ValueError) as error:
        raise InputError(f"training.optimizer: {first_line(error)}") from error
    if not isinstance(optimizer, torch.optim.Optimizer):
        target = context.config.training.optimizer["_target_"]
        raise InputError(f"training.optimizer._target_={target} makes no optimizer: must be a torch.optim.Optimizer")
    if isinstance(optimizer, torch.optim.LBFGS | torch.optim.SparseAdam):
        raise InputError(
            f"training.optimizer: {type(optimizer).__name__} cannot train a network whose pruned weights stay zero: "
            "use another optimizer, such as training=sgd"
        )
    return model


def _check_forward(context: Context, model: nn.Module) -> None:
    size = context.data.image_size
    target = context.config.model["_target_"]
    try:
        with torch.no_grad():
            logits = model.eval()(context.example())
    except UNSUITABLE as error:
        channels = "" if context.data.channels == 3 else f" with data.channels={context.data.channels}"
        raise InputError(
            f"model {target} does not run on data.image_size={size}{channels}: {first_line(error)}"
        ) from error
    expected = (2, context.data.num_classes)
    if not isinstance(logits, torch.Tensor):
        raise InputError(
            f"model {target} gives a {type(logits).__name__} without a tensor: must be logits {list(expected)}"
        )
    if tuple(logits.shape) != expected:
        raise InputError(
            f"model {target} gives {list(logits.shape)} for two images: must be {list(expected)}, one logit per class"
        )

"""Which parameters may be pruned, and where weights are once they are integers."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the convolution and linear weights by parameter name, in the model's order.

    Never biases or normalization; a weight shared by two layers is named once.
    """
    owners = {
        f"{name}.weight" if name else "weight" for name, module in model.named_modules() if isinstance(module, PRUNABLE)
    }
    return {name: parameter for name, parameter in model.named_parameters() if name in owners}


class HoldsIntegers(nn.Module):
    """A layer whose weight, scales and bias are buffers: what counts weights counts them as well."""

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor


def layer_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of convolutions and linear layers by name, floats or integers, in the model's order."""
    floats = prunable_weights(model)
    integers = {
        f"{name}.weight": module.weight for name, module in model.named_modules() if isinstance(module, HoldsIntegers)
    }
    return {**floats, **integers}


def learned_values(model: nn.Module) -> Iterator[Tensor]:
    """Yield what a model has learned: its parameters, and the buffers that hold integers and their scales."""
    yield from model.parameters()
    for module in model.modules():
        if isinstance(module, HoldsIntegers):
            yield from module.buffers(recurse=False)


def device_of(model: nn.Module) -> torch.device:
    """Return where a model's tensors are; the CPU if it has none."""
    return next((value.device for value in learned_values(model)), torch.device("cpu"))

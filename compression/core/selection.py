"""Selection of a model's tensors: prunable weights, weights stored as integers, and all learned values."""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

BIAS_STEP = "bias_step"
PRUNABLE = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


def prunable_weights(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the convolution and linear weights by parameter name, in the model's order.

    Biases and normalization parameters are never included, nor are layers that ``mark_idle_`` marked. A weight that two
    layers share appears once.
    """
    owners = {
        f"{name}.weight" if name else "weight"
        for name, module in model.named_modules()
        if isinstance(module, PRUNABLE) and not getattr(module, "idle", False)
    }
    return {name: parameter for name, parameter in model.named_parameters() if name in owners}


def mark_idle_(model: nn.Module, weights: Iterable[str]) -> None:
    """Mark the layers of ``weights``, parameter names, as ones that never run. They are neither pruned nor counted."""
    owners = {name.rpartition(".")[0] for name in weights}
    for name, module in model.named_modules():
        if name in owners:
            module.idle = True


class HoldsIntegers(nn.Module):
    """Base class of quantized layers, which store weight, scales and bias as buffers.

    Functions that count or size parameters count these buffers too. ``reads`` says what a layer multiplies its weight
    with: values that are already rounded, values that it rounds itself with a scale from the batch, or floats.
    ``product`` is its linear operation.
    """

    reads: ClassVar[Literal["rounded", "batch", "floats"]]
    product: Any
    weight: Tensor
    weight_scale: Tensor
    bias: Tensor


class RoundsActivations(nn.Module):
    """Base class of quantizers: the output is ``scale`` times an integer of ``grid``, from ``low`` to ``high``."""

    grid: Any
    scale: Tensor


def layer_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return the weights of convolutions and linear layers by name: first float weights, then integer weights.

    Both groups are in the model's order.
    """
    floats = prunable_weights(model)
    integers = {
        # Empty is the name of a layer that is the whole model.
        f"{name}.weight".removeprefix("."): module.weight
        for name, module in model.named_modules()
        if isinstance(module, HoldsIntegers)
    }
    return {**floats, **integers}


def learned_values(model: nn.Module) -> Iterator[Tensor]:
    """Yield all learned tensors: parameters, then buffers of quantized layers such as integer weights and scales."""
    yield from model.parameters()
    for module in model.modules():
        if isinstance(module, HoldsIntegers):
            # The step of biases says how they are stored; the network does not compute with it.
            yield from (value for name, value in module.named_buffers(recurse=False) if name != BIAS_STEP)


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a model's first learned tensor, or the CPU if the model has no learned tensors."""
    return next((value.device for value in learned_values(model)), torch.device("cpu"))

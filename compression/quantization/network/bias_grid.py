"""Biases on a grid: those of a layer are multiples of one step, of which a file holds small integers.

An integer engine adds int32 biases in units of input scale times weight scale, and each output channel has its own
unit. So equal biases of a layer are different integers, which an entropy coder cannot make use of. In steps of one grid
they are equal again.
"""

import torch
from torch import Tensor

_HIGH = 127
_MAX_UNITS = 2**31 - 1


def to_grid(bias: Tensor, step: float) -> tuple[Tensor, float]:
    """Return ``bias: [O]`` as int8 in steps of a grid, and the size of a step.

    The size is ``step``, or more where the largest bias would take more than 127 steps.
    """
    size = max(step, float(bias.abs().max()) / _HIGH, float(torch.finfo(torch.float32).tiny))
    return _round(bias.double() / size), size


def encode_bias(bias: Tensor, size: Tensor, weight_scale: Tensor | None) -> Tensor:
    """Return the int8 steps, ``[O]``, from which ``decode_bias`` makes ``bias: [O]``.

    Nothing is lost. Where a unit is smaller than a step, a bias is less than half a unit from its multiple of the step.
    Where it is larger, the nearest multiple is less than half a unit from the bias.
    """
    exact = bias.double() if weight_scale is None else bias.double() * weight_scale.double()
    return _round(exact / size.double())


def decode_bias(steps: Tensor, size: Tensor, weight_scale: Tensor | None) -> Tensor:
    """Return biases ``[O]`` from int8 ``steps: [O]`` of the float32 ``size``, a scalar.

    With ``weight_scale: [O]``, ``size`` is relative to the scale of the layer's input, and biases are int32 in units of
    input scale times weight scale. Without, they are float32.
    """
    exact = steps.double() * size.double()
    if weight_scale is None:
        return exact.float()
    return torch.round(exact / weight_scale.double()).clamp_(-_MAX_UNITS, _MAX_UNITS).to(torch.int32)


def _round(steps: Tensor) -> Tensor:
    return torch.round(steps).clamp_(-_HIGH, _HIGH).to(torch.int8)

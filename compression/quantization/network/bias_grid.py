"""Biases on a grid: those of a layer are multiples of one step, and a file holds them as int8.

An integer engine adds int32 biases in units of input scale times weight scale, and each output channel has its own
unit. So equal biases of a layer are different integers, which an entropy coder cannot make use of. In steps of one grid
they are equal again.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.quantization.plan import Plan

_HIGH = 127
_MAX_UNITS = 2**31 - 1


def to_grid(bias: Tensor, step: float) -> tuple[Tensor, float]:
    """Return ``bias: [O]`` as int8 in steps of a grid, and the size of a step.

    The size is ``step``, or more where the largest bias would take more than 127 steps.
    """
    size = max(step, float(bias.abs().max()) / _HIGH, float(torch.finfo(torch.float32).tiny))
    return torch.round(bias.double() / size).clamp_(-_HIGH, _HIGH).to(torch.int8), size


def from_grid(steps: Tensor, size: Tensor, weight_scale: Tensor | None) -> Tensor:
    """Return biases ``[O]`` from int8 ``steps: [O]`` of the float32 ``size``, a scalar.

    With ``weight_scale: [O]``, ``size`` is relative to the scale of the layer's input, and biases are int32 in units of
    input scale times weight scale. Without, they are float32.
    """
    exact = steps.double() * size.double()
    if weight_scale is None:
        return exact.float()
    return torch.round(exact / weight_scale.double()).clamp_(-_MAX_UNITS, _MAX_UNITS).to(torch.int32)


def widen_biases(state: Mapping[str, Tensor], plan: Plan) -> dict[str, Tensor]:
    """Return the state of an integer network from that of its file, where biases are int8 on the grid of ``plan``."""
    wide = dict(state)
    for layer in _layers_on_grid(state, plan):
        scale = state[f"{layer}.weight_scale"] if plan.multiplies_integers(layer) else None
        wide[f"{layer}.bias"] = from_grid(state[f"{layer}.bias"], state[f"{layer}.bias_step"], scale)
    return wide


def narrow_biases(state: Mapping[str, Tensor], plan: Plan) -> dict[str, Tensor]:
    """Return the state for the file of an integer network: the int8 biases from which ``widen_biases`` makes its own.

    Nothing is lost. Where a unit is smaller than a step, a bias is less than half a unit from its multiple of the step.
    Where it is larger, the nearest multiple is less than half a unit from the bias.
    """
    narrow = dict(state)
    for layer in _layers_on_grid(state, plan):
        bias, size = state[f"{layer}.bias"].double(), state[f"{layer}.bias_step"].double()
        exact = bias * state[f"{layer}.weight_scale"].double() if plan.multiplies_integers(layer) else bias
        narrow[f"{layer}.bias"] = torch.round(exact / size).clamp_(-_HIGH, _HIGH).to(torch.int8)
    return narrow


def _layers_on_grid(state: Mapping[str, Tensor], plan: Plan) -> list[str]:
    return [layer for layer in plan.layers if f"{layer}.bias_step" in state] if plan.grid_biases else []

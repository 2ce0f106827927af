"""Rate-aware rounding of a network, by what each bit in its file costs and by the sensitivity of the loss."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, fx, nn

from compression.quantization.network.fake_layers import FakeQuantWeight
from compression.quantization.network.fake_network import fake_layers
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.network.scale_grid import nearest_powers
from compression.quantization.observers import MIN_SCALE
from compression.quantization.rate.code_length import code_bits, order0_cost
from compression.quantization.rate.fisher import relative_curvature
from compression.quantization.rate.rdoq import best_step, minimize_cost, rate_aware_steps


class CodeBits(NamedTuple):
    """Order-0 code lengths of all integer weights in bits, with separate statistics for each tensor.

    ``nearest`` is for rounding to nearest, ``chosen`` for the rate-aware choice.
    """

    nearest: float
    chosen: float


@torch.no_grad()
def round_by_rate_(prepared: fx.GraphModule, curvature: Mapping[str, Tensor], *, lam: float) -> CodeBits:
    """Round the weights of ``prepared`` and choose all step sizes, at a price of ``lam`` per bit; return the bits.

    The price is in units of the average rise of the loss when one weight is set to 0. ``curvature`` is that of the
    float network with batch norm folded, from ``measure_curvature``. Weights that are 0 stay 0. Scales are rounded to
    ``scale_grid``, and the integers are chosen again for these. Biases get a step size for their layer, and are rounded
    when they are stored, because they still change. A layer without curvature, which is called more than once, is
    rounded to nearest, and its biases get the finest grid.
    """
    layers = fake_layers(prepared)
    weights = {
        name: layer.weight.detach().flatten(1) for name, layer in layers.items() if f"{name}.weight" in curvature
    }
    measured = {
        name: values.to(weights[name.rpartition(".")[0]].device)
        for name, values in curvature.items()
        if name.rpartition(".")[0] in weights
    }
    relative = relative_curvature(measured, weights)
    nearest = chosen = 0.0
    for name, layer in layers.items():
        before = code_bits(_integers(layer))
        nearest += before
        layer.bias_step = _bias_step(relative.get(f"{name}.bias"), lam=lam)
        if name not in weights:
            chosen += before
            continue
        weight = weights[name]
        curves, high = relative[f"{name}.weight"], layer.weight_grid.high
        scale = layer.weight_scale.detach().clamp(min=MIN_SCALE)
        free = rate_aware_steps(weight, scale, curvature=curves, cost=order0_cost, lam=lam, max_level=high)
        # Integers for other steps than the stored ones would make each channel too large or too small.
        # A smaller step may not reach the largest weights.
        steps = [nearest_powers(free.scale), nearest_powers(free.scale, up=True)]
        integers, scale = minimize_cost(weight, steps, curvature=curves, cost=order0_cost, lam=lam, max_level=high)
        layer.weight.copy_((integers * scale[:, None]).view_as(layer.weight))
        layer.weight_scale.copy_(scale)
        chosen += code_bits(integers)
    return CodeBits(nearest, chosen)


@torch.no_grad()
def take_layers_(network: fx.GraphModule, rounded: fx.GraphModule) -> None:
    """Copy weights, biases and step sizes from the rounding layers of ``rounded`` to those of ``network``."""
    others = fake_layers(rounded)
    for name, layer in fake_layers(network).items():
        other = others[name]
        layer.weight.copy_(other.weight)
        layer.weight_scale.copy_(other.weight_scale)
        layer.bias_step = other.bias_step
        bias = other.bias
        # A layer without a bias may have got one in `rounded`.
        layer.register_parameter("bias", nn.Parameter(bias.detach().clone()) if isinstance(bias, Tensor) else None)


def _bias_step(curvature: Tensor | None, *, lam: float) -> float:
    """Return the step size of biases with ``curvature: [O]``; 0, the finest grid, where nothing is known of them."""
    felt = None if curvature is None else curvature.mean()
    return float(best_step(felt, lam)) if felt is not None and felt > 0 else 0.0


def _integers(layer: FakeQuantWeight) -> Tensor:
    scale = layer.weight_scale.detach().clamp(min=MIN_SCALE)[:, None]
    return to_integers(layer.weight.detach().flatten(1), scale, layer.weight_grid)

"""Layers and activations that round as they compute, in floating point: for calibration and training."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.quantization.grid import Grid
from compression.quantization.network.batch_norm_folding import fold_factors
from compression.quantization.network.fake_quantize import fake_quantize, lsq_step_gradient
from compression.quantization.network.graph import check_tensor
from compression.quantization.observers import MIN_SCALE, Observer

# A bias of more steps than this would leave int32, and a channel without weights has steps as fine as this.
_MAX_BIAS, _DEAD_BIAS = 2**30, 2**20


class FakeQuantWeight(nn.Module):
    """What makes a layer round its weights: one scale a row, that is an output channel."""

    weight: Tensor
    weight_scale: nn.Parameter
    weight_grid: Grid
    learns_step: bool = False

    def fake_quantized_weight(self) -> Tensor:
        """Return the weight on its grid, of its own shape."""
        rows = self.weight_scale.clamp(min=MIN_SCALE).reshape(-1, *[1] * (self.weight.ndim - 1))
        row_size = self.weight[0].numel()
        gradient = lsq_step_gradient(row_size, self.weight_grid) if self.learns_step else None
        return fake_quantize(self.weight, rows, self.weight_grid, step_gradient=gradient)

    @torch.no_grad()
    def observe_weight(self, observer: Observer, *, name: str) -> None:
        """Set the scales to what ``observer`` finds; raises InputError for a weight that is not finite."""
        if not torch.isfinite(self.weight).all():
            raise InputError(f"the weight of {name} is NaN or infinite: nothing to quantize; must be finite")
        observer.observe(self.weight.detach().flatten(1))
        self.weight_scale.copy_(observer.scale(self.weight_grid))


class FakeQuantConv1d(FakeQuantWeight, nn.Conv1d):
    """A convolution of a signal that rounds its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``[B, O, L]`` of ``[B, I, L]``."""
        return self._conv_forward(input, self.fake_quantized_weight(), self.bias)


class FakeQuantConv2d(FakeQuantWeight, nn.Conv2d):
    """A convolution that rounds its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``[B, O, H', W']`` of ``[B, I, H, W]``."""
        return self._conv_forward(input, self.fake_quantized_weight(), self.bias)


class FakeQuantLinear(FakeQuantWeight, nn.Linear):
    """A linear layer that rounds its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``[..., O]`` of ``[..., I]``."""
        return F.linear(input, self.fake_quantized_weight(), self.bias)


_FAKE: dict[type, type[FakeQuantWeight]] = {
    nn.Conv1d: FakeQuantConv1d,
    nn.Conv2d: FakeQuantConv2d,
    nn.Linear: FakeQuantLinear,
}


def to_fake_quantized(layer: nn.Module, grid: Grid) -> FakeQuantWeight:
    """Return ``layer``, one of ``graph.LAYERS``, as one that rounds; it shares weight and bias, its scales are 1."""
    fake = _FAKE[type(layer)].__new__(_FAKE[type(layer)])
    # Everything a layer is but its class: shapes, strides, parameters and hooks.
    fake.__dict__ = layer.__dict__.copy()
    fake._parameters = layer._parameters.copy()
    fake.weight_grid = grid
    fake.weight_scale = nn.Parameter(fake.weight.new_ones(fake.weight.shape[0]), requires_grad=False)
    return fake


class BiasRounding(nn.Module):
    """Moves the output of a layer by what rounding its bias does: to int32 steps of input scale times weight scale.

    With few bits the steps are coarse, and a network that is not told of them does otherwise when it is executed.
    """

    def __init__(self, layer: FakeQuantWeight, norm: nn.Module | None, quantizer: "ActivationQuantizer") -> None:
        super().__init__()
        # In a tuple, since they are parts of the network already.
        self.parts = (layer, norm, quantizer)

    def forward(self, output: Tensor) -> Tensor:
        """Return ``output: [B, O, ...]`` of the layer and its batch norm with the bias rounded."""
        layer, norm, quantizer = self.parts
        if quantizer.observer is not None:
            return output
        shift = rounded_bias(layer, norm, quantizer.rounding_scale()).shift
        return output + shift.to(output.dtype).reshape(-1, *[1] * (layer.weight.ndim - 2))


class RoundedBias(NamedTuple):
    """A bias in int32 steps, float64 ``[O]``, of ``unit``, float32 ``[O]``, and how far that is from what it was."""

    steps: Tensor
    unit: Tensor
    shift: Tensor


@torch.no_grad()
def rounded_bias(layer: FakeQuantWeight, norm: nn.Module | None, input_scale: Tensor) -> RoundedBias:
    """Return the bias of a layer, its batch norm folded in, as an engine holds it."""
    weight_scale, bias = layer.weight_scale.clamp(min=MIN_SCALE), getattr(layer, "bias", None)
    exact = torch.zeros_like(weight_scale).double() if bias is None else bias.detach().double()
    if norm is not None:
        factor, shift = fold_factors(norm)
        exact = exact * factor + shift
        weight_scale = (weight_scale * factor.abs()).clamp(min=MIN_SCALE).float()
    weight_scale = fitting_scale(weight_scale, exact, input_scale, dead=~layer.weight.flatten(1).any(dim=1))
    unit = input_scale * weight_scale
    steps = torch.round(exact / unit.double())
    return RoundedBias(steps, unit, steps * unit.double() - exact)


def fitting_scale(weight_scale: Tensor, bias: Tensor, input_scale: Tensor, *, dead: Tensor) -> Tensor:
    """Return ``weight_scale: [O]`` with room for the bias in int32, and fine where the weights are ``dead``."""
    magnitude = bias.abs().double() / input_scale.double()
    # Any scale holds zeros, and only a fine one the bias beside them.
    fine = (magnitude / _DEAD_BIAS).clamp(min=MIN_SCALE).float()
    return torch.where(dead, fine, weight_scale).maximum((magnitude / _MAX_BIAS).float())


class ActivationQuantizer(nn.Module):
    """Puts an activation on a grid of one scale; while it has an observer it only looks.

    The grid ends at ``ceiling`` or below, so that it clamps what comes before it clamps.
    """

    def __init__(self, grid: Grid, *, name: str, ceiling: float | None = None) -> None:
        super().__init__()
        self.grid = grid
        self.name = name
        self.max_scale = None if ceiling is None else ceiling / grid.high
        self.observer: Observer | None = None
        self.learns_step = False
        self.scale = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def rounding_scale(self) -> Tensor:
        """Return the scale within its limits."""
        return self.scale.clamp(min=MIN_SCALE, max=self.max_scale)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values: [B, ...]`` rounded; raises InputError for what is not finite while it looks."""
        if self.observer is not None:
            check_tensor(values, name=self.name)
            self.observer.observe(values.detach().reshape(1, -1))
            return values
        gradient = lsq_step_gradient(values[0].numel(), self.grid) if self.learns_step else None
        return fake_quantize(values, self.rounding_scale(), self.grid, step_gradient=gradient)

    @torch.no_grad()
    def finish(self) -> None:
        """Take the scale that the observer found, and round from now on."""
        assert self.observer is not None, "no observer"
        self.scale.copy_(self.observer.scale(self.grid)[0])
        self.observer = None

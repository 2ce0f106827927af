"""Fake quantization: layers and activations that round in floating point, for calibration and training."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.batch_norm import fold_factors
from compression.core.errors import InputError
from compression.quantization.grid import Grid
from compression.quantization.network.fake_quantize import fake_quantize, lsq_step_gradient
from compression.quantization.network.graph import check_tensor
from compression.quantization.observers import MIN_SCALE, Observer

# _MAX_BIAS keeps the steps of a bias within int32. A channel without non-zero weights gets a scale so fine that its
# bias takes at most _DEAD_BIAS steps.
_MAX_BIAS, _DEAD_BIAS = 2**30, 2**20


class FakeQuantWeight(nn.Module):
    """A mixin for layers that round their weights, with one scale per row, which is an output channel."""

    weight: Tensor
    weight_scale: nn.Parameter
    weight_grid: Grid
    learns_step: bool = False
    # The step size on which biases are stored, or 0 for the finest one. None: biases are not stored in steps.
    bias_step: float | None = None

    def fake_quantized_weight(self) -> Tensor:
        """Return the weight rounded to its grid, in its original shape."""
        rows = self.weight_scale.clamp(min=MIN_SCALE).reshape(-1, *[1] * (self.weight.ndim - 1))
        row_size = self.weight[0].numel()
        gradient = lsq_step_gradient(row_size, self.weight_grid) if self.learns_step else None
        return fake_quantize(self.weight, rows, self.weight_grid, step_gradient=gradient)

    @torch.no_grad()
    def observe_weight(self, observer: Observer, *, name: str) -> None:
        """Set the scales that ``observer`` finds; raises InputError that names the layer if a weight is not finite."""
        if not torch.isfinite(self.weight).all():
            raise InputError(f"the weight of {name} is NaN or infinite: nothing to quantize; must be finite")
        observer.observe(self.weight.detach().flatten(1))
        self.weight_scale.copy_(observer.scale(self.weight_grid))


class FakeQuantConv1d(FakeQuantWeight, nn.Conv1d):
    """A one-dimensional convolution that rounds its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the output ``[B, O, L']`` for ``input: [B, I, L]``."""
        return self._conv_forward(input, self.fake_quantized_weight(), self.bias)


class FakeQuantConv2d(FakeQuantWeight, nn.Conv2d):
    """A two-dimensional convolution that rounds its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the output ``[B, O, H', W']`` for ``input: [B, I, H, W]``."""
        return self._conv_forward(input, self.fake_quantized_weight(), self.bias)


class FakeQuantLinear(FakeQuantWeight, nn.Linear):
    """A linear layer that rounds its weights."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the output ``[..., O]`` for ``input: [..., I]``."""
        return F.linear(input, self.fake_quantized_weight(), self.bias)


_FAKE: dict[type, type[FakeQuantWeight]] = {
    nn.Conv1d: FakeQuantConv1d,
    nn.Conv2d: FakeQuantConv2d,
    nn.Linear: FakeQuantLinear,
}


def to_fake_quantized(layer: nn.Module, grid: Grid) -> FakeQuantWeight:
    """Return a rounding version of ``layer`` (one of ``graph.LAYERS``) that shares weight and bias; scales are 1."""
    fake = _FAKE[type(layer)].__new__(_FAKE[type(layer)])
    # Copies all state of the layer (shapes, strides, parameters, hooks); only the class differs.
    fake.__dict__ = layer.__dict__.copy()
    fake._parameters = layer._parameters.copy()
    fake.weight_grid = grid
    fake.weight_scale = nn.Parameter(fake.weight.new_ones(fake.weight.shape[0]), requires_grad=False)
    return fake


class BiasRounding(nn.Module):
    """A simulation of bias rounding, which adds the rounding error of the bias to the output of a layer.

    Integer engines hold a bias in int32 steps of input scale times weight scale. With few bits the steps are coarse, so
    a network that ignores them would behave differently when it is executed.
    """

    def __init__(self, layer: FakeQuantWeight, norm: nn.Module | None, quantizer: "ActivationQuantizer") -> None:
        super().__init__()
        # The tuple keeps torch from registering these modules twice: they already belong to the network.
        self.parts = (layer, norm, quantizer)

    def forward(self, output: Tensor) -> Tensor:
        """Return ``output: [B, O, ...]`` of the layer and its batch norm as if the bias had been rounded.

        During calibration the output does not change, because the input scale is not known yet.
        """
        layer, norm, quantizer = self.parts
        if quantizer.observer is not None:
            return output
        shift = rounded_bias(layer, norm, quantizer.rounding_scale()).shift
        return output + shift.to(output.dtype).reshape(-1, *[1] * (layer.weight.ndim - 2))


class RoundedBias(NamedTuple):
    """A rounded bias: integer ``steps``, float64 ``[O]``, of size ``unit``, float32 ``[O]``.

    ``shift``, float64 ``[O]``, is the rounded bias minus the exact one.
    """

    steps: Tensor
    unit: Tensor
    shift: Tensor


@torch.no_grad()
def rounded_bias(layer: FakeQuantWeight, norm: nn.Module | None, input_scale: Tensor) -> RoundedBias:
    """Return the bias of a layer as an integer engine holds it, with the batch norm ``norm`` folded in."""
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
    """Return ``weight_scale: [O]``, raised where needed so that the bias fits into int32.

    Channels in ``dead: [O]`` have no non-zero weights; they get a fine scale instead.
    """
    magnitude = bias.abs().double() / input_scale.double()
    # Every scale represents zero weights, but only a fine one represents their bias well.
    fine = (magnitude / _DEAD_BIAS).clamp(min=MIN_SCALE).float()
    return torch.where(dead, fine, weight_scale).maximum((magnitude / _MAX_BIAS).float())


class ActivationQuantizer(nn.Module):
    """A quantizer that rounds an activation to a grid with one scale.

    While it has an observer, it only observes and does not round. The grid ends at ``ceiling`` or below, so that the
    grid also does the clamping of a preceding ReLU6.
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
        """Return the scale, limited to at least ``MIN_SCALE`` and to at most the scale that reaches the ceiling."""
        return self.scale.clamp(min=MIN_SCALE, max=self.max_scale)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values: [B, ...]`` rounded, or unchanged during calibration.

        Raises InputError during calibration for values that are not finite.
        """
        if self.observer is not None:
            check_tensor(values, name=self.name)
            self.observer.observe(values.detach().reshape(1, -1))
            return values
        gradient = lsq_step_gradient(values[0].numel(), self.grid) if self.learns_step else None
        return fake_quantize(values, self.rounding_scale(), self.grid, step_gradient=gradient)

    @torch.no_grad()
    def finish(self) -> None:
        """End calibration: set the scale that the observer found, and round from now on."""
        assert self.observer is not None, "no observer"
        self.scale.copy_(self.observer.scale(self.grid)[0])
        self.observer = None

"""Layers and activations that round as they compute, in floating point: for calibration and training."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.quantization.fake_quantize import fake_quantize, lsq_step_gradient
from compression.quantization.graph import check_tensor
from compression.quantization.grid import Grid
from compression.quantization.observers import MIN_SCALE, Observer


class FakeQuantWeight(nn.Module):
    """What makes a layer round its weights: one scale a row, that is an output channel."""

    weight: nn.Parameter
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
    def observe_weight(self, observer: Observer) -> None:
        """Set the scales to what ``observer`` finds in the weight."""
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


class ActivationQuantizer(nn.Module):
    """Puts an activation on a grid of one scale; while it has an observer it only looks."""

    def __init__(self, grid: Grid, *, name: str, observer: Observer | None = None) -> None:
        super().__init__()
        self.grid = grid
        self.name = name
        self.observer = observer
        self.learns_step = False
        self.scale = nn.Parameter(torch.tensor(1.0), requires_grad=False)

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values: [B, ...]`` rounded; raises InputError for what is not finite while it looks."""
        if self.observer is not None:
            check_tensor(values, name=self.name)
            self.observer.observe(values.detach().reshape(1, -1))
            return values
        gradient = lsq_step_gradient(values[0].numel(), self.grid) if self.learns_step else None
        return fake_quantize(values, self.scale.clamp(min=MIN_SCALE), self.grid, step_gradient=gradient)

    @torch.no_grad()
    def finish(self) -> None:
        """Take the scale that the observer found, and round from now on."""
        assert self.observer is not None, "no observer"
        self.scale.copy_(self.observer.scale(self.grid)[0])
        self.observer = None

"""Rounding to a grid in floating point, with gradients for training: straight-through or learned step size."""

import math

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from compression.quantization.grid import Grid


def fake_quantize(values: Tensor, scale: Tensor, grid: Grid, *, step_gradient: float | None = None) -> Tensor:
    """Return ``scale * clamp(round(values / scale), low, high)``, with half rounded to even, at least in float32.

    ``scale`` is above 0 and broadcasts against ``values``. The gradient passes straight through where nothing was
    clamped (arXiv:1308.3432). With ``step_gradient``, the scale is LSQ's step size s and gets a gradient too: equation
    3 of arXiv:1902.08153 times ``step_gradient``. Equation 3 is round(v/s) - v/s where low < v/s < high, else low or
    high. The values then get the gradient of equation 5.
    """
    result: Tensor = _FakeQuantize.apply(values, scale, grid.low, grid.high, step_gradient)
    return result


def to_integers(values: Tensor, scale: Tensor, grid: Grid) -> Tensor:
    """Return the integers of ``fake_quantize`` as floats: ``clamp(round(values / scale), low, high)``.

    The division is a multiplication by the reciprocal, as in torch's own kernels.
    """
    return torch.round(_steps(values, scale)).clamp_(grid.low, grid.high)


def lsq_step_gradient(num_values: int, grid: Grid) -> float:
    """Return LSQ's factor ``1 / sqrt(N * high)`` for the gradient of a step size that N values share.

    It makes the updates of step sizes and weights similar in size (section 2.2 of arXiv:1902.08153).
    """
    return 1.0 / math.sqrt(num_values * grid.high)


class _FakeQuantize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, values: Tensor, scale: Tensor, low: int, high: int, step_gradient: float | None
    ) -> Tensor:
        ctx.save_for_backward(values, scale)
        ctx.low, ctx.high, ctx.step_gradient = low, high, step_gradient  # type: ignore[attr-defined]
        return to_integers(values, scale, Grid(low, high)).mul_(scale)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        values, scale = ctx.saved_tensors  # type: ignore[attr-defined]
        low, high, step_gradient = ctx.low, ctx.high, ctx.step_gradient  # type: ignore[attr-defined]
        steps = _steps(values, scale)
        rounded = torch.round(steps)
        # The two papers treat values differently that lie beyond the grid but round to one of its ends.
        position = rounded if step_gradient is None else steps
        beyond = torch.ge if step_gradient is not None else torch.gt
        inside = ~(beyond(position, high) | beyond(-position, -low))
        to_values = (gradient * inside).to(values.dtype) if ctx.needs_input_grad[0] else None  # type: ignore[attr-defined]
        to_scale = None
        if step_gradient is not None and ctx.needs_input_grad[1]:  # type: ignore[attr-defined]
            slope = torch.where(inside, rounded - steps, steps.clamp(low, high))
            to_scale = (gradient * slope).sum_to_size(scale.shape) * step_gradient
        return to_values, to_scale, None, None, None


def _steps(values: Tensor, scale: Tensor) -> Tensor:
    # Half precision has too few digits for a grid of 8 bits.
    return (values if values.dtype == torch.float64 else values.float()) * (1.0 / scale)

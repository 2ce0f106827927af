"""Soft rounding: weights between two integers, and the gradient that moves them to one (arXiv:2004.10568, 3.3)."""

import torch
from torch import Tensor

from compression.quantization.grid import Grid
from compression.quantization.network.fake_quantize import to_integers

ZETA, GAMMA = 1.1, -0.1


def rectified_sigmoid(values: Tensor) -> Tensor:
    """Return ``h(V) = clip(sigmoid(V) * (zeta - gamma) + gamma, 0, 1)``, with zeta = 1.1 and gamma = -0.1."""
    return values.sigmoid().mul_(ZETA - GAMMA).add_(GAMMA).clamp_(0, 1)


def inverse_rectified_sigmoid(fraction: Tensor) -> Tensor:
    """Return the V with ``h(V) = fraction``, for fractions in [0, 1]."""
    return -torch.log((ZETA - GAMMA) / (fraction - GAMMA) - 1)


class SoftRounding:
    """A soft weight ``scale * clip(floor(W / scale) + h(V), low, high)`` of ``W: [O, K]`` with ``scale: [O, 1]``.

    h(V) starts as the fractional part of W / scale, so the soft weight starts as W. Zeros and weights beyond the grid
    are always rounded to nearest, whatever V is.
    """

    def __init__(self, weight: Tensor, scale: Tensor, grid: Grid) -> None:
        self.scale = scale
        self.nearest = to_integers(weight, scale, grid)
        floor = (weight / scale).floor()
        free = (weight != 0) & (floor >= grid.low) & (floor < grid.high)
        self.values = inverse_rectified_sigmoid(weight / scale - floor)
        self._free = free.to(weight.dtype)
        self._low = torch.where(free, floor, self.nearest)
        # These buffers are reused in every step, because allocating them takes longer than the computation.
        self._sigmoid, self._up, self._soft = (torch.empty_like(weight) for _ in range(3))

    def soft(self) -> Tensor:
        """Return the soft weight ``[O, K]``; its memory is overwritten by the next call."""
        torch.sigmoid(self.values, out=self._sigmoid)
        torch.mul(self._sigmoid, ZETA - GAMMA, out=self._up).add_(GAMMA).clamp_(0, 1)
        return torch.addcmul(self._low, self._free, self._up, out=self._soft).mul_(self.scale)

    def gradient_(self, slope: Tensor, *, beta: float | None, weight: float) -> Tensor:
        """Turn ``slope: [O, K]``, the gradient by the last soft weight, in place into the gradient by V, and return it.

        Unless ``beta`` is None, the gradient of ``weight * sum (1 - |2h(V) - 1|^beta)`` is added.
        """
        slope.mul_(self.scale)
        work = self._soft
        if beta is not None:
            # The gradient by h is -2 * beta * |2h - 1|^(beta - 1) * sign(2h - 1).
            centred = torch.mul(self._up, 2, out=work).sub_(1)
            slope.sub_(centred.abs().pow_(beta - 2).mul_(centred), alpha=2 * beta * weight)
        # The gradient of h by V is 0 where h is clipped, else (zeta - gamma) * sigmoid * (1 - sigmoid).
        torch.addcmul(self._up, self._up, self._up, value=-1, out=work).sign_()
        slope.mul_(work).mul_(self._free)
        torch.addcmul(self._sigmoid, self._sigmoid, self._sigmoid, value=-1, out=work)
        return slope.mul_(work).mul_(ZETA - GAMMA)

    def hard(self) -> Tensor:
        """Return the integers ``[O, K]`` that V selects: rounded up where ``h >= 1/2``, else down."""
        return self._low + self._free * (rectified_sigmoid(self.values) >= 0.5)

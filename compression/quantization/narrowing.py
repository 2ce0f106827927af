"""Scales and biases no wider than they need: fewer significant bits, which a file then does not have to hold."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Narrowing:
    """Significant bits that scales of weights and biases keep; None keeps all of them."""

    scale_bits: int | None = None
    bias_bits: int | None = None

    def scale(self, values: Tensor) -> Tensor:
        """Return scales (float32, any shape), rounded up: no weight leaves the grid."""
        return values if self.scale_bits is None else keep_significant_bits(values, self.scale_bits, up=True)

    def bias(self, values: Tensor) -> Tensor:
        """Return biases (any type and shape), rounded to nearest."""
        return values if self.bias_bits is None else keep_significant_bits(values, self.bias_bits)


def keep_significant_bits(values: Tensor, num_bits: int, *, up: bool = False) -> Tensor:
    """Return ``values`` (any real type, any shape) with ``num_bits`` significant bits.

    ``v = m * 2^e`` with an integer ``|m| <= 2^num_bits``, to nearest, or away from zero with ``up``. To nearest that is
    off by at most ``2^-num_bits`` of the value. Zeros stay zero.
    """
    mantissa, exponent = torch.frexp(values.double())
    steps = mantissa * 2.0**num_bits
    steps = torch.sign(steps) * torch.ceil(steps.abs()) if up else torch.round(steps)
    return torch.ldexp(steps, exponent - num_bits).to(values.dtype)

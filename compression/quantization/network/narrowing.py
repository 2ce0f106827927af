"""Narrowing: scales and biases with fewer significant bits, which makes files smaller."""

from dataclasses import dataclass

import torch
from torch import Tensor

SIGNIFICAND = 24
# The dropped bits of a scale's significand are set to these bits. With zeros instead, about one product in some hundred
# would lie exactly between two integers, and engines round such ties differently.
_REST = 0xB504F3


@dataclass(frozen=True)
class Narrowing:
    """The numbers of significant bits that weight scales and biases keep; None keeps all bits."""

    scale_bits: int | None = None
    bias_bits: int | None = None

    def scale(self, values: Tensor, *, up: bool) -> Tensor:
        """Return narrowed scales (float32, above 0, any shape); ``up`` rounds up, so that no weight is clipped."""
        return values if self.scale_bits is None else shorten_scales(values, self.scale_bits, up=up)

    def bias(self, values: Tensor) -> Tensor:
        """Return narrowed biases (any type and shape), rounded to nearest."""
        return values if self.bias_bits is None else keep_significant_bits(values, self.bias_bits)


def shorten_scales(scales: Tensor, num_bits: int, *, up: bool) -> Tensor:
    """Return ``scales`` (float32, normal, above 0) rounded to values that a file can hold in few bits.

    Only the first ``num_bits`` significant bits differ between scales; the other bits are the same for all. With ``up``
    a scale is rounded up, by a fraction of at most ``2^(1 - num_bits)``; otherwise it is rounded to the nearest value.
    """
    rest = SIGNIFICAND - num_bits
    if rest <= 0:
        return scales
    bits = scales.contiguous().view(torch.int32)
    short = (bits >> rest << rest) | (_REST & ((1 << rest) - 1))
    # Adds one to the kept bits. If the significand overflows, the carry correctly raises the exponent.
    above = torch.where(short < bits, short + (1 << rest), short).view(torch.float32)
    if up:
        return above
    below = torch.where(short > bits, short - (1 << rest), short).view(torch.float32)
    return torch.where(above - scales < scales - below, above, below)


def keep_significant_bits(values: Tensor, num_bits: int) -> Tensor:
    """Return ``values`` (any real type, any shape) with ``num_bits`` significant bits, rounded to nearest.

    A result is ``m * 2^e`` with an integer ``|m| <= 2^num_bits``. The relative error is at most ``2^-num_bits``. Zeros
    stay zero.
    """
    mantissa, exponent = torch.frexp(values.double())
    return torch.ldexp(torch.round(mantissa * 2.0**num_bits), exponent - num_bits).to(values.dtype)

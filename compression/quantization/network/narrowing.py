"""Scales and biases no wider than they need: fewer significant bits, which a file then does not have to hold."""

from dataclasses import dataclass

import torch
from torch import Tensor

SIGNIFICAND = 24
# What the rest of a scale's significand is set to. Zeros would make scales that are so short that products with them
# lie exactly between two integers, in one value of some hundred: there engines round as they please.
_REST = 0xB504F3


@dataclass(frozen=True)
class Narrowing:
    """Significant bits that scales of weights and biases keep; None keeps all of them."""

    scale_bits: int | None = None
    bias_bits: int | None = None

    def scale(self, values: Tensor, *, up: bool) -> Tensor:
        """Return scales (float32, above 0, any shape); ``up``: none gets smaller, so no weight leaves the grid."""
        return values if self.scale_bits is None else shorten_scales(values, self.scale_bits, up=up)

    def bias(self, values: Tensor) -> Tensor:
        """Return biases (any type and shape), rounded to nearest."""
        return values if self.bias_bits is None else keep_significant_bits(values, self.bias_bits)


def shorten_scales(scales: Tensor, num_bits: int, *, up: bool) -> Tensor:
    """Return for each of ``scales`` (float32, normal, above 0) one near it that a file holds in few bits.

    Its first ``num_bits`` significant bits are free, the others are the same for all scales. With ``up`` it is the next
    one above, at most ``2^(1 - num_bits)`` larger; else the nearest.
    """
    rest = SIGNIFICAND - num_bits
    if rest <= 0:
        return scales
    bits = scales.contiguous().view(torch.int32)
    short = (bits >> rest << rest) | (_REST & ((1 << rest) - 1))
    # One more in what is kept; out of the largest mantissa that carries into the exponent, as it should.
    above = torch.where(short < bits, short + (1 << rest), short).view(torch.float32)
    if up:
        return above
    below = torch.where(short > bits, short - (1 << rest), short).view(torch.float32)
    return torch.where(above - scales < scales - below, above, below)


def keep_significant_bits(values: Tensor, num_bits: int) -> Tensor:
    """Return ``values`` (any real type, any shape) with ``num_bits`` significant bits, rounded to nearest.

    ``v = m * 2^e`` with an integer ``|m| <= 2^num_bits``: off by at most ``2^-num_bits`` of the value. Zeros stay zero.
    """
    mantissa, exponent = torch.frexp(values.double())
    return torch.ldexp(torch.round(mantissa * 2.0**num_bits), exponent - num_bits).to(values.dtype)

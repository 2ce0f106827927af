"""Integer grids, symmetric around zero: zero is represented exactly, so pruned weights stay zero."""

from dataclasses import dataclass

from compression.core.errors import InputError

MIN_BITS, MAX_BITS = 2, 8
# This number of bits means no quantization.
FULL_PRECISION = 32


@dataclass(frozen=True)
class Grid:
    """The integers ``low..high``. A rounded value is ``scale`` times one of them; the zero-point is 0."""

    low: int
    high: int

    @property
    def signed(self) -> bool:
        """Whether the grid contains negative values."""
        return self.low < 0

    @property
    def bits(self) -> int:
        """The number of bits of the grid."""
        return (self.high if self.signed else self.high // 2).bit_length() + 1


def weight_grid(bits: int) -> Grid:
    """Return the grid of a weight, ``-(2^(b-1) - 1) .. 2^(b-1) - 1``: symmetric, so that signs can be flipped."""
    check_bits(bits, key="weight_bits")
    high = 2 ** (bits - 1) - 1
    return Grid(-high, high)


def activation_grid(bits: int, *, signed: bool) -> Grid:
    """Return the grid of an activation: ``-2^(b-1) .. 2^(b-1) - 1`` if ``signed``, else ``0 .. 2^b - 1``."""
    check_bits(bits, key="activation_bits")
    return Grid(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else Grid(0, 2**bits - 1)


def check_bits(bits: int, *, key: str) -> None:
    """Raise ``InputError`` unless ``bits`` is an integer from 2 to 8."""
    if type(bits) is not int or not MIN_BITS <= bits <= MAX_BITS:
        raise InputError(f"{key}={bits}: must be an integer in [{MIN_BITS}, {MAX_BITS}], or {FULL_PRECISION} for off")

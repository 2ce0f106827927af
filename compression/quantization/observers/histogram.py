"""A histogram of magnitudes for each row, in bounded memory and independent of the order of batches."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from compression.core.errors import InputError

NUM_BINS = 2048
# The number of values per step, so that a large batch is not copied at once.
CHUNK = 2**20
# The smallest range is 2^-64. With a smaller one, the factor from values to bins would overflow in float32.
MIN_EXPONENT = -64


@dataclass(frozen=True)
class MagnitudeHistogram:
    """A histogram of the magnitudes of each row; bin k covers ``[k * width, (k + 1) * width)``.

    The range is the smallest power of two above the largest magnitude. When it grows, neighbouring bins are merged, so
    the bins are exactly those of a histogram of all values at once. Zeros are counted separately, because every grid
    represents them.
    """

    counts: Tensor
    """Counts of non-zero values, int64 ``[R, bins]``; the number of bins is a power of two."""
    num_zeros: Tensor
    """Counts of zeros, int64 ``[R]``."""
    largest: Tensor
    """The largest magnitude, float32 ``[R]``."""

    @classmethod
    def empty(cls, num_rows: int, *, num_bins: int = NUM_BINS, device: torch.device | None = None) -> Self:
        """Return a histogram without values; raises ``InputError`` for a bad number of bins."""
        check_num_bins(num_bins)
        return cls(
            counts=torch.zeros(num_rows, num_bins, dtype=torch.int64, device=device),
            num_zeros=torch.zeros(num_rows, dtype=torch.int64, device=device),
            largest=torch.zeros(num_rows, device=device),
        )

    @property
    def num_bins(self) -> int:
        """The number of bins of each row."""
        return self.counts.shape[1]

    @property
    def width(self) -> Tensor:
        """The width of each row's bins, float64 ``[R]``, a power of two."""
        return power_of_two(range_exponent(self.largest)) / self.num_bins

    @property
    def upper(self) -> Tensor:
        """The upper ends of the bins, float64 ``[R, bins]``, limited to the largest magnitude."""
        edges = torch.arange(1, self.num_bins + 1, dtype=torch.float64, device=self.counts.device)
        return torch.minimum(edges * self.width[:, None], self.largest.double()[:, None])

    def add(self, rows: Tensor) -> Self:
        """Return a new histogram with ``rows: [R, N]`` added; values must be finite, of any float dtype."""
        histogram = self
        for part in rows.detach().split(max(CHUNK // rows.shape[0], self.num_bins), dim=1):
            histogram = histogram._add_chunk(part.float().abs())
        return histogram

    def split(self, num_rows: int) -> list[Self]:
        """Return histograms of ``num_rows`` rows each; the last one has the remaining rows."""
        parts = (part.split(num_rows) for part in (self.counts, self.num_zeros, self.largest))
        return [type(self)(*part) for part in zip(*parts, strict=True)]

    def cpu(self) -> Self:
        """Return the histogram on the CPU."""
        return type(self)(self.counts.cpu(), self.num_zeros.cpu(), self.largest.cpu())

    def _add_chunk(self, magnitudes: Tensor) -> Self:
        largest = torch.maximum(self.largest, magnitudes.amax(dim=1))
        num_rows, num_bins = self.counts.shape
        exponent = range_exponent(largest)
        # A product with a power of two is exact, so a value always falls into the same bin.
        bins = magnitudes * (num_bins * power_of_two(-exponent)).float()[:, None]
        first_bin = torch.arange(num_rows, dtype=torch.int32, device=bins.device)[:, None] * num_bins
        positions = (bins.int() + first_bin).flatten()
        added = torch.bincount(positions, minlength=num_rows * num_bins).view(num_rows, num_bins)
        zeros = magnitudes.shape[1] - magnitudes.count_nonzero(dim=1)
        added[:, 0] -= zeros
        counts = merge_bins(self.counts, shift=exponent - range_exponent(self.largest))
        return type(self)(counts=counts + added, num_zeros=self.num_zeros + zeros, largest=largest)


def check_num_bins(num_bins: int) -> int:
    """Return ``num_bins`` if it is a power of two from 512 to 65536; raises ``InputError`` otherwise.

    Fewer bins could not distinguish the 256 integers of 8 bits.
    """
    if type(num_bins) is not int or not 512 <= num_bins <= 65536 or num_bins & (num_bins - 1):
        raise InputError(f"num_bins={num_bins}: must be a power of two in [512, 65536]")
    return num_bins


def range_exponent(largest: Tensor) -> Tensor:
    """Return the smallest integer e with ``largest < 2^e``, int64 in the shape of ``largest``; at least -64."""
    exponent = torch.frexp(largest).exponent.long().clamp(min=MIN_EXPONENT)
    # frexp gives 0 the exponent 0.
    return torch.where(largest > 0, exponent, MIN_EXPONENT)


def power_of_two(exponent: Tensor) -> Tensor:
    """Return ``2^e`` as float64 for int64 e; the bits are set directly, because ``exp2`` may round."""
    return ((exponent + 1023) << 52).view(torch.float64)


def merge_bins(counts: Tensor, *, shift: Tensor) -> Tensor:
    """Return ``counts: [R, bins]`` with ``2^shift`` neighbouring bins merged, for ``shift: [R]`` of at least 0."""
    if not (shift.any() and counts.any()):
        return counts
    num_bins = counts.shape[1]
    # A larger shift would have the same result, but could overflow int64.
    starts = torch.arange(num_bins + 1, device=counts.device) << shift.clamp(max=num_bins.bit_length())[:, None]
    return sum_between(counts, starts.clamp(max=num_bins))


def sum_between(values: Tensor, edges: Tensor) -> Tensor:
    """Return the sums of ``values: [R, bins]`` between neighbouring edges, ``[R, ..., E - 1]``.

    ``edges: [R, ..., E]``, int64, are bin numbers in ascending order, from 0 to ``bins``. A sum includes the bin at its
    lower edge and excludes the bin at its upper edge.
    """
    up_to = torch.nn.functional.pad(values.cumsum(dim=1), (1, 0))
    return up_to.gather(1, edges.flatten(1)).view(edges.shape).diff(dim=-1)


def level_edges(threshold: Tensor, *, high: int, end: Tensor) -> Tensor:
    """Return the edges between bins that round to different integers, int64 ``[R, C, high + 2]``.

    The bins from edge j to before edge j + 1 round to the integer j. Bin k has its centre at ``k + 1/2`` and rounds to
    ``min(round((k + 1/2) / scale), high)`` with ``scale = threshold / high``; all are in units of the bin width.
    ``threshold: [R, C]``, float64, holds C candidates for each row. ``end: [R, C]``, int64, is the bin before which the
    integer ``high`` ends.
    """
    steps = torch.arange(1, high + 1, dtype=torch.float64, device=threshold.device) - 0.5
    inner = (threshold[..., None] * (steps / high) - 0.5).ceil().long()
    return torch.cat([torch.zeros_like(end)[..., None], inner.clamp(min=0), end[..., None]], dim=-1)

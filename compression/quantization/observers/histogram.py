"""A histogram of magnitudes per row, in bounded memory and the same whatever the order of batches."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from compression.core.errors import InputError

NUM_BINS = 2048
# Values taken at a time, so that a large batch is not copied as a whole.
CHUNK = 2**20
# The smallest range is 2^-64: below, the factor that turns values into bins would leave float32.
MIN_EXPONENT = -64


@dataclass(frozen=True)
class MagnitudeHistogram:
    """How many of the magnitudes of each row lie in ``[k * width, (k + 1) * width)``, for k from 0.

    The range is the smallest power of two above the largest magnitude. When it grows, neighbouring bins become one, so
    bins are always those that all values at once would have given, exactly. Zeros are kept apart: any grid holds them.
    """

    counts: Tensor
    """Of what is not zero, int64 ``[R, bins]``; bins are a power of two."""
    num_zeros: Tensor
    """int64 ``[R]``."""
    largest: Tensor
    """The largest magnitude, float32 ``[R]``."""

    @classmethod
    def empty(cls, num_rows: int, *, num_bins: int = NUM_BINS, device: torch.device | None = None) -> Self:
        """Return one that has seen nothing."""
        check_num_bins(num_bins)
        return cls(
            counts=torch.zeros(num_rows, num_bins, dtype=torch.int64, device=device),
            num_zeros=torch.zeros(num_rows, dtype=torch.int64, device=device),
            largest=torch.zeros(num_rows, device=device),
        )

    @property
    def num_bins(self) -> int:
        """The bins of a row."""
        return self.counts.shape[1]

    @property
    def width(self) -> Tensor:
        """The width of each row's bins, float64 ``[R]``, a power of two."""
        return power_of_two(range_exponent(self.largest)) / self.num_bins

    @property
    def upper(self) -> Tensor:
        """Where bins end, float64 ``[R, bins]``: at the largest magnitude at the latest."""
        edges = torch.arange(1, self.num_bins + 1, dtype=torch.float64, device=self.counts.device)
        return torch.minimum(edges * self.width[:, None], self.largest.double()[:, None])

    def add(self, rows: Tensor) -> Self:
        """Return the histogram with ``rows: [R, N]``, finite, of any float dtype, added."""
        histogram = self
        for part in rows.detach().split(max(CHUNK // rows.shape[0], self.num_bins), dim=1):
            histogram = histogram._add_chunk(part.float().abs())
        return histogram

    def split(self, num_rows: int) -> list[Self]:
        """Return histograms of ``num_rows`` rows each, of what is left the last."""
        parts = (part.split(num_rows) for part in (self.counts, self.num_zeros, self.largest))
        return [type(self)(*part) for part in zip(*parts, strict=True)]

    def cpu(self) -> Self:
        """Return it on the CPU."""
        return type(self)(self.counts.cpu(), self.num_zeros.cpu(), self.largest.cpu())

    def _add_chunk(self, magnitudes: Tensor) -> Self:
        largest = torch.maximum(self.largest, magnitudes.amax(dim=1))
        num_rows, num_bins = self.counts.shape
        exponent = range_exponent(largest)
        # A product with a power of two is exact, so a value has one bin only.
        bins = magnitudes * (num_bins * power_of_two(-exponent)).float()[:, None]
        first_bin = torch.arange(num_rows, dtype=torch.int32, device=bins.device)[:, None] * num_bins
        positions = (bins.int() + first_bin).flatten()
        added = torch.bincount(positions, minlength=num_rows * num_bins).view(num_rows, num_bins)
        zeros = magnitudes.shape[1] - magnitudes.count_nonzero(dim=1)
        added[:, 0] -= zeros
        counts = merge_bins(self.counts, shift=exponent - range_exponent(self.largest))
        return type(self)(counts=counts + added, num_zeros=self.num_zeros + zeros, largest=largest)


def check_num_bins(num_bins: int) -> int:
    """Return ``num_bins`` if it is a power of two from 512 to 65536; raises ``InputError``.

    Fewer could not tell apart the 256 integers of 8 bits.
    """
    if type(num_bins) is not int or not 512 <= num_bins <= 65536 or num_bins & (num_bins - 1):
        raise InputError(f"num_bins={num_bins}: must be a power of two in [512, 65536]")
    return num_bins


def range_exponent(largest: Tensor) -> Tensor:
    """Return the least integer e with ``largest < 2^e``, int64 of its shape; -64 at least."""
    exponent = torch.frexp(largest).exponent.long().clamp(min=MIN_EXPONENT)
    # By frexp, 0 has the exponent 0.
    return torch.where(largest > 0, exponent, MIN_EXPONENT)


def power_of_two(exponent: Tensor) -> Tensor:
    """Return ``2^e``, float64, for int64 e: set bit by bit, since ``exp2`` may round."""
    return ((exponent + 1023) << 52).view(torch.float64)


def merge_bins(counts: Tensor, *, shift: Tensor) -> Tensor:
    """Return ``counts: [R, bins]`` with ``2^shift`` neighbours made one bin, for ``shift: [R]`` of at least 0."""
    if not (shift.any() and counts.any()):
        return counts
    num_bins = counts.shape[1]
    # A shift by more would only leave int64.
    starts = torch.arange(num_bins + 1, device=counts.device) << shift.clamp(max=num_bins.bit_length())[:, None]
    return sum_between(counts, starts.clamp(max=num_bins))


def sum_between(values: Tensor, edges: Tensor) -> Tensor:
    """Return the sums of ``values: [R, bins]`` from each edge to before the next, ``[R, ..., E - 1]``.

    ``edges: [R, ..., E]``, int64, are bins in ascending order, from 0 to ``bins``.
    """
    up_to = torch.nn.functional.pad(values.cumsum(dim=1), (1, 0))
    return up_to.gather(1, edges.flatten(1)).view(edges.shape).diff(dim=-1)


def level_edges(threshold: Tensor, *, high: int, end: Tensor) -> Tensor:
    """Return which bins are rounded to which integer: to j from edge j to before edge j + 1, by their centres.

    Bin k has its centre at ``k + 1/2`` and goes to ``min(round((k + 1/2) / scale), high)``, with
    ``scale = threshold / high`` and all in widths of a bin. ``threshold: [R, C]``, float64, of C candidates a row;
    ``end: [R, C]``, int64, the bin before which ``high`` ends. Returns int64 ``[R, C, high + 2]``.
    """
    steps = torch.arange(1, high + 1, dtype=torch.float64, device=threshold.device) - 0.5
    inner = (threshold[..., None] * (steps / high) - 0.5).ceil().long()
    return torch.cat([torch.zeros_like(end)[..., None], inner.clamp(min=0), end[..., None]], dim=-1)

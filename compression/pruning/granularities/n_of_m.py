"""N of every M weights along the input channels (arXiv:2104.08378)."""

from collections.abc import Mapping

import torch
from torch import Tensor

from compression.core.errors import InputError


def n_of_m_mask(scores: Tensor, *, n: int, m: int) -> Tensor:
    """Return a mask that keeps the ``n`` highest of every ``m`` consecutive input channels.

    ``scores: [O, I, ...]`` with I a multiple of m; among equal scores the first in order are pruned first.
    """
    blocks = scores.transpose(0, 1).reshape(scores.shape[1] // m, m, -1)
    order = blocks.argsort(dim=1, stable=True)
    mask = torch.ones_like(blocks, dtype=torch.bool).scatter_(1, order[:, : m - n], False)
    return mask.view(scores.transpose(0, 1).shape).transpose(0, 1).contiguous()


class NOfM:
    """Keeps ``n`` of every ``m`` weights in layers whose input channels ``m`` divides; others stay dense."""

    def __init__(self, *, n: int, m: int) -> None:
        if not 0 < n < m:
            raise InputError(f"strategy.granularity n={n} m={m}: must be 0 < n < m")
        self.n, self.m = n, m

    @property
    def fixed_sparsity(self) -> float:
        """``1 - n/m``."""
        return 1 - self.n / self.m

    def fits(self, weight: Tensor) -> bool:
        """Whether the pattern can be laid over this layer."""
        return weight.shape[1] % self.m == 0

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Refuse a model none of whose layers fits."""
        if not any(self.fits(weight) for weight in weights.values()):
            raise InputError(f"{self.n}:{self.m} sparsity fits no layer: {self.m} divides no layer's input channels")

    def __call__(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:  # noqa: ARG002
        """Keep n of m wherever it fits; the pattern, not ``num_kept``, says how many."""
        return {
            name: n_of_m_mask(s, n=self.n, m=self.m) if self.fits(s) else torch.ones_like(s, dtype=torch.bool)
            for name, s in scores.items()
        }

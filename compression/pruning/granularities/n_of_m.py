"""N:M sparsity: N weights are kept of every M along the input channels (arXiv:2104.08378)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.core.selection import prunable_weights
from compression.pruning.allocations import Allocation
from compression.pruning.granularities.weights import WeightUnits, refuse_other_targets


def n_of_m_mask(scores: Tensor, *, n: int, m: int) -> Tensor:
    """Return a mask that keeps the ``n`` highest scores of every ``m`` consecutive input channels.

    ``scores: [O, I, ...]``, where I is a multiple of m; the mask has the same shape. Among equal scores the first in
    order are pruned.
    """
    blocks = scores.transpose(0, 1).reshape(scores.shape[1] // m, m, -1)
    order = blocks.argsort(dim=1, stable=True)
    mask = torch.ones_like(blocks, dtype=torch.bool).scatter_(1, order[:, : m - n], False)
    return mask.view(scores.transpose(0, 1).shape).transpose(0, 1).contiguous()


class NOfMUnits(WeightUnits):
    """Weights in blocks of ``m``. A layer stays dense if its number of input channels is not a multiple of ``m``."""

    def __init__(self, weights: Mapping[str, Tensor], *, n: int, m: int, protected: frozenset[str]) -> None:
        unfit = {name for name, weight in weights.items() if weight.shape[1] % m}
        super().__init__(weights, protected=protected | unfit)
        self.n, self.m = n, m
        if len(self.whole) == len(self.weights):
            raise InputError(
                f"{n}:{m} sparsity fits no layer: each is protected or has input channels that are not a multiple of "
                f"{m}: {_few(self.whole)}"
            )

    def count(
        self, scores: Mapping[str, Tensor], *, amount: float, final: float, allocation: Allocation
    ) -> dict[str, int]:
        """Return the number of kept weights by layer. The pattern fixes it, so all amounts are ignored."""
        del amount, final, allocation
        return {name: score.numel() * self.n // self.m for name, score in scores.items()}

    def masks(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Return masks that keep the n highest scores of every m; ``num_kept`` is ignored."""
        del num_kept
        chosen = {name: n_of_m_mask(score, n=self.n, m=self.m) for name, score in scores.items()}
        return {name: chosen.get(name, mask) for name, mask in self.dense_masks().items()}


class NOfM:
    """Granularity that keeps ``n`` of every ``m`` weights along the input channels.

    Layers whose number of input channels is not a multiple of ``m`` stay dense.
    """

    def __init__(self, *, n: int, m: int) -> None:
        if not (type(n) is type(m) is int and 0 < n < m):
            raise InputError(f"strategy.granularity n={n} m={m}: must be integers with 0 < n < m")
        self.n, self.m = n, m

    @property
    def fixed_sparsity(self) -> float:
        """The only possible sparsity, ``1 - n/m``."""
        return 1 - self.n / self.m

    def units(self, model: nn.Module, *, example: Tensor, target: str, protected: frozenset[str]) -> NOfMUnits:
        """Return the weights of ``model`` in blocks; raise ``InputError`` if no layer fits."""
        del example
        refuse_other_targets(target)
        return NOfMUnits(prunable_weights(model), n=self.n, m=self.m, protected=protected)


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")

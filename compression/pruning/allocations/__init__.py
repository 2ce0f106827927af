"""Allocations: how the target sparsity is shared among layers."""

import math
from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from compression.core.errors import InputError


class Allocation(Protocol):
    """Shares the target among layers."""

    def __call__(self, scores: Mapping[str, Tensor], sparsity: float) -> dict[str, int]:
        """Return how many weights each layer keeps; together exactly ``N - round(sparsity * N)``."""
        ...


def min_kept(num_weights: int, floor: float) -> int:
    """Return what a layer keeps at least: ``ceil(floor * n)``, and never fewer than one."""
    return max(1, math.ceil(floor * num_weights))


def num_pruned_in_all(scores: Mapping[str, Tensor], sparsity: float, floor: float) -> int:
    """Return ``round(sparsity * N)``; raises ``InputError`` where the floors leave fewer to prune."""
    total = sum(score.numel() for score in scores.values())
    available = total - sum(min_kept(score.numel(), floor) for score in scores.values())
    wanted = round(sparsity * total)
    if wanted > available:
        raise InputError(
            f"sparsity={sparsity:g} leaves layers below strategy.allocation.floor={floor:g}: "
            f"this model allows at most {available / total:.4f}"
        )
    return wanted


def check_floor(floor: float) -> float:
    """Return ``floor`` if it is in [0, 1)."""
    if not 0 <= floor < 1:
        raise InputError(f"strategy.allocation.floor={floor}: must be in [0, 1)")
    return floor

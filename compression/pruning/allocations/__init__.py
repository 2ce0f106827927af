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


def layer_floors(scores: Mapping[str, Tensor], num_kept: int, floor: float) -> dict[str, int]:
    """Return what each layer keeps at least: ``floor`` weights per output channel on average, one weight at least.

    A fraction of the layer would be the wrong measure: 1 % of a 3x3 depthwise layer leaves most channels without
    any input, while 1 % of a wide layer is plenty. Where the floors together would take more than half of the
    ``num_kept`` weights of the model they are lowered in proportion, so that the criterion keeps its say.
    """
    wanted = {name: min(score.numel(), floor * score.shape[0]) for name, score in scores.items()}
    scale = min(1.0, num_kept / 2 / max(1.0, sum(wanted.values())))
    floors = {name: max(1, math.floor(count * scale)) for name, count in wanted.items()}
    # Rounded up to one in many small layers, they could be more than the model keeps.
    return floors if sum(floors.values()) <= num_kept else dict.fromkeys(floors, 1)


def count_kept(scores: Mapping[str, Tensor], sparsity: float) -> int:
    """Return the weights the model keeps, ``N - round(sparsity * N)``; raises ``InputError`` below one a layer."""
    total = sum(score.numel() for score in scores.values())
    kept = total - round(sparsity * total)
    if kept < len(scores):
        limit = math.floor((1 - len(scores) / total) * 1e4) / 1e4
        raise InputError(f"sparsity={sparsity:g} would empty a layer: must be at most {limit} for this model")
    return kept


def check_floor(floor: float) -> float:
    """Return ``floor`` if it is not negative."""
    # A NaN is not >= 0 either.
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not floor >= 0:
        raise InputError(f"strategy.allocation.floor={floor}: must be >= 0 weights per output channel")
    return floor

"""Allocations: how the target sparsity is shared among layers."""

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.allocations.proportional import proportional_num_kept


class Allocation(Protocol):
    """Shares what is kept among layers, or among groups of channels: whatever the scores are by."""

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:
        """Return how many each layer keeps, one at least and together exactly ``num_kept``.

        ``scores`` are ``[O, I, ...]`` for weights and ``[C]`` for channels; what is pruned already has -inf.
        ``num_kept`` is at least the number of layers. ``final`` is what the last pruning step will keep. A smaller
        ``num_kept`` never gives a layer more.
        """
        ...


@runtime_checkable
class Limited(Protocol):
    """An allocation that cannot share out every number, because some layers have their own."""

    def limits(self, scores: Mapping[str, Tensor]) -> tuple[int, int]:
        """Return the fewest and the most that can be asked for as ``final``."""
        ...


def layer_floors(scores: Mapping[str, Tensor], num_kept: int, floor: float) -> dict[str, int]:
    """Return what each layer keeps at least: ``floor`` weights per output channel on average, one weight at least.

    A fraction of the layer would be the wrong measure: 1 % of a 3x3 depthwise layer leaves most channels without
    any input, while 1 % of a wide layer is plenty. Where the floors together would take more than half of the
    ``num_kept`` weights of the model they are lowered in proportion, so that the criterion keeps its say.
    """
    wanted = {name: max(1, math.floor(min(s.numel(), floor * s.shape[0]))) for name, s in scores.items()}
    room = max(len(wanted), min(sum(wanted.values()), num_kept // 2))
    # Rounded layer by layer, the floors of many layers would fall at the same ``num_kept``, and others get more.
    return proportional_num_kept(wanted, shares=wanted, num_kept=room, floors=dict.fromkeys(wanted, 1))


def check_floor(floor: float) -> float:
    """Return ``floor`` if it is not negative."""
    # A NaN is not >= 0 either.
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not floor >= 0:
        raise InputError(f"strategy.allocation.floor={floor}: must be >= 0 weights per output channel")
    return floor

"""Allocations: how layers share the number of kept weights or channels."""

import math
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor

from compression.core.errors import InputError
from compression.pruning.allocations.proportional import proportional_num_kept


@runtime_checkable
class Allocation(Protocol):
    """A rule that divides the kept weights among layers, or the kept channels among groups of channels."""

    def __call__(self, scores: Mapping[str, Tensor], num_kept: int, *, final: int) -> dict[str, int]:
        """Return how many units each layer keeps: at least one each, and exactly ``num_kept`` together.

        ``scores`` by layer are ``[O, I, ...]`` for weights and ``[C]`` for channels; pruned units have the score -inf.
        ``num_kept`` is at least the number of layers. ``final`` is the number that the last pruning step will keep.
        With a smaller ``num_kept`` no layer keeps more.
        """
        ...


@runtime_checkable
class Limited(Protocol):
    """An allocation that cannot reach every total, because the sparsity of some layers is fixed."""

    def limits(self, scores: Mapping[str, Tensor]) -> tuple[int, int]:
        """Return the lowest and the highest possible ``final``."""
        ...


def layer_floors(scores: Mapping[str, Tensor], num_kept: int, floor: float) -> dict[str, int]:
    """Return the minimum that each layer keeps: on average ``floor`` weights per output channel, at least one weight.

    A fraction of the layer would be the wrong measure: 1 % of a 3x3 depthwise layer leaves most channels without
    any input, while 1 % of a wide layer is plenty. If the floors together exceed half of the ``num_kept`` weights of
    the model, they are lowered in proportion, so that the criterion still decides about the other half.
    """
    wanted = {name: max(1, math.floor(min(s.numel(), floor * s.shape[0]))) for name, s in scores.items()}
    room = max(len(wanted), min(sum(wanted.values()), num_kept // 2))
    # If each floor were rounded separately, many floors would drop at the same ``num_kept``, and other layers would
    # then keep more at a smaller ``num_kept``.
    return proportional_num_kept(wanted, shares=wanted, num_kept=room, floors=dict.fromkeys(wanted, 1))


def check_floor(floor: float) -> float:
    """Return ``floor`` if it is a number of at least 0; raise ``InputError`` otherwise."""
    # A NaN is not >= 0 either.
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not floor >= 0:
        raise InputError(f"strategy.allocation.floor={floor}: must be >= 0 weights per output channel")
    return floor

"""Granularities: the units that are removed together, such as single weights or channels."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from compression.core.masks import MaskSet
from compression.pruning.allocations import Allocation


class Units(Protocol):
    """The units of one model that are removed together: weights by layer, or coupled channels by group.

    ``whole`` are the names of the weights that stay dense. Compaction leaves a multiple of ``round_to`` channels.
    """

    whole: tuple[str, ...]
    round_to: int

    def dense_masks(self) -> MaskSet:
        """Return masks that keep everything."""
        ...

    def reduce(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the scores of units by layer or group, computed from ``scores`` of weights by name."""
        ...

    def kept(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return bool tensors in the shape of the units' scores: True for units that ``masks`` keep."""
        ...

    def count(
        self, scores: Mapping[str, Tensor], *, amount: float, final: float, allocation: Allocation
    ) -> dict[str, int]:
        """Return how many units each layer or group keeps so that the fraction ``amount`` of the target is removed.

        ``amount`` and ``final``, the amount after the last step, are in [0, 1). Raises ``InputError`` for an amount
        that is out of reach.
        """
        ...

    def masks(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Return masks by parameter name that keep the ``num_kept`` units of highest score of each layer or group."""
        ...


@runtime_checkable
class Granularity(Protocol):
    """A kind of unit, which finds its units in a model."""

    @property
    def fixed_sparsity(self) -> float | None:
        """The only possible amount, or None if any amount is possible."""
        ...

    def units(self, model: nn.Module, *, example: Tensor, target: str, protected: frozenset[str]) -> Units:
        """Return the units of ``model``, which accepts inputs like ``example: [B, C, H, W]``.

        ``target`` is the quantity that an amount refers to: ``weights``, ``channels``, ``params`` or ``macs``. The
        weights named in ``protected`` stay dense. Raises ``InputError`` if the model or the target does not fit.
        """
        ...

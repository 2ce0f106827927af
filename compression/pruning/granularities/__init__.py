"""Granularities: what is removed together."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor, nn

from compression.core.masks import MaskSet
from compression.pruning.allocations import Allocation


class Units(Protocol):
    """What is removed together in one model: its weights, or its coupled channels; by layer or by group.

    ``whole`` names the weights that nothing is removed from; compaction leaves channels in multiples of ``round_to``.
    """

    whole: tuple[str, ...]
    round_to: int

    def dense_masks(self) -> MaskSet:
        """Return masks that keep everything."""
        ...

    def reduce(self, scores: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the scores of units, from the scores of weights."""
        ...

    def kept(self, masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return which units ``masks`` keep: bool, of the shape of the units' scores."""
        ...

    def count(
        self, scores: Mapping[str, Tensor], *, amount: float, final: float, allocation: Allocation
    ) -> dict[str, int]:
        """Return how many units are kept so that ``amount`` of the target, in [0, 1), is gone.

        ``final`` is the amount after the last step. Raises ``InputError`` for an amount out of reach.
        """
        ...

    def masks(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Return masks by parameter name that keep the ``num_kept`` highest units of each layer or group."""
        ...


class Granularity(Protocol):
    """Finds the units of a model."""

    @property
    def fixed_sparsity(self) -> float | None:
        """The only amount this pattern can have, or None if any can be asked for."""
        ...

    def units(self, model: nn.Module, *, example: Tensor, target: str, protected: frozenset[str]) -> Units:
        """Return the units of ``model``, which takes inputs like ``example: [B, 3, H, W]``.

        ``target`` says of what an amount is asked: ``weights``, ``channels``, ``params`` or ``macs``. The weights
        named in ``protected`` stay whole. Raises ``InputError`` for a model or target it does not fit.
        """
        ...

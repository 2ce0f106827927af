"""Granularities: what is removed together."""

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor


class Granularity(Protocol):
    """Turns scores and a number of kept weights per layer into masks."""

    @property
    def fixed_sparsity(self) -> float | None:
        """The only sparsity this pattern can have, or None if any can be asked for."""
        ...

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Raise ``InputError`` for a layer that this granularity does not fit."""
        ...

    def __call__(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Return bool masks by name, True = keep, each of its scores' shape."""
        ...

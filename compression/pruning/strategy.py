"""A strategy: criterion x granularity x allocation x schedule, and the masks they make together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.pruning.allocations import Allocation
from compression.pruning.criteria import Criterion
from compression.pruning.granularities import Granularity
from compression.pruning.schedules import Schedule


@dataclass(frozen=True)
class Strategy:
    """A way of pruning to ``target`` sparsity, in [0, 1)."""

    criterion: Criterion
    granularity: Granularity
    allocation: Allocation
    schedule: Schedule
    target: float
    seed: int

    @property
    def num_steps(self) -> int:
        """How many pruning steps lead to the target."""
        return self.schedule.num_steps(self.target)

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Raise ``InputError`` if the target cannot be reached on these weights."""
        fixed = self.granularity.fixed_sparsity
        if fixed is not None and not math.isclose(fixed, self.target):
            raise InputError(f"sparsity={self.target} contradicts strategy.granularity, which always prunes {fixed}")
        self.granularity.check(weights)
        self.allocation({name: weight.detach().abs() for name, weight in weights.items()}, self.target)

    def masks_at(self, step: int, weights: Mapping[str, Tensor], masks: MaskSet) -> MaskSet:
        """Return the masks after ``step``: what ``masks`` prune stays pruned."""
        generator = make_generator(self.seed, "criterion", step)
        scores = self.criterion(weights, generator=generator)
        scores = {name: score.masked_fill(~masks[name], -torch.inf) for name, score in scores.items()}
        num_kept = self.allocation(scores, self.schedule(step, self.target))
        return MaskSet(self.granularity(scores, num_kept))

"""The configured strategy for a model, and the updates at which its steps fall."""

import math

from torch import nn

from compression.config.make_part import make_part
from compression.core.seeding import derive_seed
from compression.pruning.allocations import Allocation
from compression.pruning.criteria import Criterion
from compression.pruning.granularities import Granularity
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.pruning.regrowth import Regrowth
from compression.pruning.schedules import Schedule
from compression.pruning.strategy import Strategy, find_units
from compression.pruning.timeline import Timeline
from compression.run.context import Context
from compression.runtimes.sparse.cost_model import weight_picoseconds

# Compaction keeps a multiple of this many channels per group, for strategies that mask single weights.
ROUND_TO = 8


def make_strategy(context: Context, model: nn.Module, *, sensitivity: SensitivityTable | None = None) -> Strategy:
    """Return the configured strategy for ``model``; raises ``InputError`` for a bad parameter."""
    settings = context.config.strategy
    allocation = make_part(settings.allocation, Allocation, key="strategy.allocation")
    if sensitivity is not None:
        allocation = allocation.measured(sensitivity.highest_sparsities(allocation.max_drop))
    example = context.example(next(model.parameters()).device)
    amount = context.config.target_sparsity
    return Strategy(
        criterion=make_part(settings.criterion, Criterion, key="strategy.criterion"),
        units=find_units(
            make_part(settings.granularity, Granularity, key="strategy.granularity"),
            model,
            example=example,
            amount=amount,
            target=settings.target,
            protect=settings.protect,
            layer_cost=weight_picoseconds,
        ),
        allocation=allocation,
        schedule=make_part(settings.schedule, Schedule, key="strategy.schedule"),
        regrowth=make_part(settings.regrowth, Regrowth, key="strategy.regrowth") if settings.regrowth else None,
        amount=amount,
        seed=derive_seed(context.config.seed, "prune"),
        example=example,
    )


def channel_multiple(context: Context) -> int:
    """Return ``round_to``: compaction keeps a multiple of this many channels in each group."""
    multiple: int = context.config.strategy.granularity.get("round_to", ROUND_TO)
    return multiple


def make_timeline(context: Context, num_steps: int, updates_per_epoch: int) -> Timeline:
    """Return the updates at which the steps fall.

    Each recovery has at least ``recovery.min_updates`` updates, unless it has 0 epochs. Without ``recovery.epochs``, it
    is as long as dense training.
    """
    recovery = context.config.strategy.recovery
    epochs = context.config.training.epochs if recovery.epochs is None else recovery.epochs
    if epochs > 0:
        epochs = max(epochs, math.ceil(recovery.min_updates / updates_per_epoch))
    return Timeline(
        num_steps=num_steps,
        updates_per_epoch=updates_per_epoch,
        epochs=epochs,
        lead_epochs=recovery.lead_epochs,
        spread=recovery.spread if epochs > 0 else None,
    )

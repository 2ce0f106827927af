"""Checks of a strategy before training: it fits the model and can reach its target."""

import copy
import logging

import torch
from torch import nn

from compression.core.batch_norm import reestimate_batch_norm_
from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.core.text import shorten
from compression.pruning.compaction import compact
from compression.pruning.evidence import Evidence
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.pruning.strategy import Strategy, protected_weights
from compression.run.building.configured_sensitivity import configured_kind, needs_sensitivity, read_given_table
from compression.run.building.configured_strategy import make_strategy
from compression.run.building.given_weights import starts_from_weights
from compression.run.context import Context

log = logging.getLogger(__name__)


def check_strategy(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` if the configured strategy does not fit ``model``; log which layers it does not prune."""
    settings = context.config.strategy
    if not prunable_weights(model):
        raise InputError(f"model {context.config.model['_target_']} has no convolution or linear layer to prune")
    _check_start(context)
    table = _given_table(context, model)
    strategy = make_strategy(context, model, sensitivity=table)
    strategy.check(model)
    _check_criterion(context, strategy, model)
    if settings.removes_channels and settings.compact:
        _check_compaction(strategy, model)
    protected = protected_weights(model, settings.protect, example=strategy.example)
    unfit = [name for name in strategy.units.whole if name not in protected]
    if unfit:
        log.info("prune  %s leaves %d layers unpruned: %s", settings.name, len(unfit), shorten(unfit, limit=4))


def _check_start(context: Context) -> None:
    """Raise ``InputError`` if the strategy returns to early weights, and given weights replace training."""
    strategy = context.config.strategy
    given = context.config.model.get("weights")
    if given is not None and starts_from_weights(context):
        return
    for key, wanted in (("strategy.start", strategy.start), ("strategy.recovery.rewind", strategy.recovery.rewind)):
        if given is not None and wanted == "early":
            raise InputError(f"{key}=early contradicts model.weights={given}: there are no early weights; use initial")


def _given_table(context: Context, model: nn.Module) -> SensitivityTable | None:
    """Return the sensitivity table that the configuration names, checked against ``model``; None without one."""
    if not needs_sensitivity(context):
        return None
    table = read_given_table(context)
    if table is not None:
        units = make_strategy(context, model).units
        sizes = {name: score.numel() for name, score in units.reduce(_magnitudes(model)).items()}
        source = f"strategy.allocation.file={context.config.strategy.allocation['file']}"
        table.check_fits(sizes, kind=configured_kind(context), source=source)
    return table


def _check_criterion(context: Context, strategy: Strategy, model: nn.Module) -> None:
    """Score the untrained model once; raise ``InputError`` if a weight has no scores, or scores of another shape.

    The criterion may need gradients or batch norm, so it gets a random batch.
    """
    generator = make_generator("check")
    shape = (16, *strategy.example.shape[1:])
    batch = torch.randn(shape, generator=generator), torch.arange(16) % context.data.num_classes
    weights = prunable_weights(model)
    scores = strategy.criterion(weights, evidence=Evidence(model, strategy.example, generator, [batch]))
    for name, weight in weights.items():
        if name not in scores or scores[name].shape != weight.shape:
            found = "no scores" if name not in scores else f"scores of shape {list(scores[name].shape)}"
            target = context.config.strategy.criterion["_target_"]
            raise InputError(f"strategy.criterion {target} gives {name} {found}: must be {list(weight.shape)}")


def _magnitudes(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}


def _check_compaction(strategy: Strategy, model: nn.Module) -> None:
    """Remove channels once from the untrained model: the architecture alone decides whether that is possible."""
    scores = strategy.units.reduce(_magnitudes(model))
    num_kept = strategy.units.count(
        scores, amount=strategy.amount, final=strategy.amount, allocation=strategy.allocation
    )
    pruned = copy.deepcopy(model)
    MaskSet(strategy.units.masks(scores, num_kept)).mask_weights_(pruned)
    # Without fitting statistics the signal of a deep untrained network dies out, and any two networks would agree.
    images = torch.randn((16, *strategy.example.shape[1:]), generator=make_generator("check"))
    reestimate_batch_norm_(pruned, [(images, torch.zeros(16))], 1)
    compact(pruned, torch.zeros_like(strategy.example), round_to=strategy.units.round_to)

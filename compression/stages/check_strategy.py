"""What can be known of a strategy before anything is trained: that it fits the model, and reaches its target."""

import copy
import logging

import torch
from torch import nn

from compression.core.batch_norm import reestimate_batch_norm_
from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.pruning.compaction import compact
from compression.pruning.strategy import Strategy
from compression.stages import dense
from compression.stages.context import Context
from compression.stages.make_strategy import make_strategy
from compression.stages.sensitivity import read_given_table, sensitivity_wanted

log = logging.getLogger(__name__)


def check_strategy(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` where the configured strategy does not fit ``model``; say which layers it leaves whole."""
    settings = context.config.strategy
    if not prunable_weights(model):
        raise InputError(f"model {context.config.model['_target_']} has no convolution or linear layer to prune")
    dense.check_start(context)
    strategy = make_strategy(context, model)
    strategy.check(model)
    if sensitivity_wanted(context):
        _check_given_table(context, strategy, model)
    if settings.target != "weights" and settings.compact:
        _check_compaction(strategy, model)
    whole = strategy.units.whole
    if whole and not settings.protect:
        names = ", ".join(whole[:4]) + (f" and {len(whole) - 4} more" if len(whole) > 4 else "")
        log.info("prune  %s leaves %d layers whole: %s", settings.name, len(whole), names)


def _check_given_table(context: Context, strategy: Strategy, model: nn.Module) -> None:
    table = read_given_table(context)
    if table is not None:
        magnitudes = {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}
        sizes = {name: score.numel() for name, score in strategy.units.reduce(magnitudes).items()}
        table.check_fits(sizes, source=f"strategy.allocation.file={context.config.strategy.allocation['file']}")


def _check_compaction(strategy: Strategy, model: nn.Module) -> None:
    """Remove the channels once from the untrained model: whether that can be done hangs on the architecture alone."""
    magnitudes = {name: weight.detach().abs() for name, weight in prunable_weights(model).items()}
    scores = strategy.units.reduce(magnitudes)
    num_kept = strategy.units.count(
        scores, amount=strategy.amount, final=strategy.amount, allocation=strategy.allocation
    )
    pruned = copy.deepcopy(model)
    MaskSet(strategy.units.masks(scores, num_kept)).mask_weights_(pruned)
    # Statistics that fit, or the signal of a deep untrained network dies on the way and any two would agree.
    images = torch.randn((16, *strategy.example.shape[1:]), generator=make_generator("check"))
    reestimate_batch_norm_(pruned, [(images, torch.zeros(16))], 1)
    compact(pruned, torch.zeros_like(strategy.example))

"""Checks of the quantization before training: the plan, the observers, and the budget of bytes."""

import logging

from hydra.errors import InstantiationException
from torch import nn

from compression.config.make_part import make_part
from compression.core.errors import InputError
from compression.core.text import shorten
from compression.quantization.bits.bit_allocation import packed_bytes
from compression.quantization.observers import Observer
from compression.quantization.plan import Plan
from compression.run.building.configured_plan import left_in_float, plan_for
from compression.run.context import Context

log = logging.getLogger(__name__)


def check_quantization(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` if ``model`` cannot be quantized as configured; log which layers stay in float."""
    plan = plan_for(context, model)
    settings = context.config.quantization
    for key, observer in (("weights", settings.weights), ("activations", settings.activations)):
        if observer:
            try:
                make_part(observer, Observer, key=f"quantization.{key}")
            except InstantiationException as error:
                if isinstance(error.__cause__, InputError):
                    raise InputError(f"quantization.{key}.{error.__cause__}") from error
                raise
    _check_max_bytes(context, model, plan)
    left = left_in_float(model, plan)
    if left:
        log.info("quantize  left in float: %s", shorten(left, limit=4))


def _check_max_bytes(context: Context, model: nn.Module, plan: Plan) -> None:
    """Raise ``InputError`` for a budget that no choice of bits can meet, unless pruning will remove channels first."""
    config = context.config
    allocation = config.quantization.allocation
    if allocation.max_bytes is None or config.strategy.compacts:
        return
    sizes = {name: model.get_parameter(f"{name}.weight").numel() for name in plan.layers}
    fewest = packed_bytes(dict.fromkeys(sizes, min(allocation.choices)), sizes)
    if allocation.max_bytes < fewest:
        raise InputError(
            f"quantization.allocation.max_bytes={allocation.max_bytes}: must be at least {fewest}, "
            f"all weights in {min(allocation.choices)} bits"
        )

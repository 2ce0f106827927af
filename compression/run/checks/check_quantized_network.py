"""The first check of a quantized network: it is rounded, trained, stored and exported once, before any training."""

import torch
from torch import Tensor, nn

from compression.core.adapted_network import find_logits
from compression.core.channels_last import to_channels_last_
from compression.core.errors import InputError
from compression.core.tracing import copy_network, trace
from compression.models.registry import is_own_family
from compression.quantization.network.integer_network import integer_state
from compression.quantization.plan import Plan
from compression.quantization.post_training import Repairs, calibrated, quantized
from compression.run.building.configured_calibration import narrowing_for, one_batch_calibration
from compression.run.building.configured_plan import plan_for
from compression.run.building.network_files import build_network
from compression.run.check_memory import CheckMemory
from compression.run.checks.check_engines import check_engines
from compression.run.checks.check_files import check_files, same_logits
from compression.run.checks.check_network import reaches
from compression.run.checks.network_errors import as_input_error, check_logits, small_batch
from compression.run.context import Context
from compression.runtimes.engines import AUTO, ENGINES

_ADVICE = "bits=32 leaves the network in float"


def check_quantized_network(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` if ``model``, a new network, cannot be quantized, stored and exported as configured.

    One small batch calibrates it, so it takes seconds. Families of this package are not checked: their tests do this.
    What passed is remembered.
    """
    config = context.config
    if is_own_family(context.architecture["target"]) or not reaches(context, "quantize"):
        return
    settings = config.quantization
    # Other settings change numbers, and not which operations the network has.
    inputs = {
        "quantization": [settings.name, settings.layer_bits, settings.equalize, settings.reduce_range],
        "bits": [config.weight_bits, config.activation_bits],
        "exports": reaches(context, "export"),
        "engines": [name for name in config.runtime.engines if name != AUTO and ENGINES[name].compiles],
    }
    memory = CheckMemory("quantized", {**context.network_identity, **inputs})
    if memory.recall() is not None:
        return
    plan = plan_for(context, model)
    with as_input_error(context, f"cannot run in {config.weight_bits} bits", advice=_ADVICE):
        _check_trace(context, model)
        network, plan = _quantize(context, model, plan)
        with torch.no_grad():
            check_logits(context, network.eval()(small_batch(context)[0]))
    if reaches(context, "export"):
        check_files(context, network, plan=plan)
        with as_input_error(context, f"cannot run in {config.weight_bits} bits", advice=_ADVICE):
            size, channels = context.data.image_size, context.data.channels
            check_engines(config.runtime.engines, network, image_size=size, channels=channels)
    memory.remember({"plan": plan.to_json()})


@torch.no_grad()
def _check_trace(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` unless the graph that is rounded computes what ``model`` computes."""
    images, _ = small_batch(context)
    expected = find_logits(copy_network(model).eval()(images.clone()))
    if not same_logits(trace(model)(images.clone()), expected):
        raise InputError("torch.fx follows another function than its forward computes")


def _quantize(context: Context, model: nn.Module, plan: Plan) -> tuple[nn.Module, Plan]:
    """Return the integer network of ``model`` and its plan, calibrated on one small batch."""
    settings = context.config.quantization
    calibration = one_batch_calibration(context)
    batches: list[tuple[Tensor, Tensor]] = [small_batch(context)]
    if settings.name == "qat":
        prepared = calibrated(model, plan, calibration, batches)
        _train(context, prepared)
    else:
        repairs = Repairs(equalize=None if settings.equalize == "none" else settings.equalize)
        prepared, plan, *_ = quantized(model, plan, calibration, batches, repairs=repairs)
    state = integer_state(prepared, plan, narrowing_for(context))
    return build_network(context, state, compacted=False, plan=plan), plan


def _train(context: Context, prepared: nn.Module) -> None:
    images, _ = small_batch(context)
    to_channels_last_(prepared.train())
    loss = prepared(images).float().square().mean()
    if not torch.isfinite(loss):
        raise InputError("its output is not finite once it is rounded")
    loss.backward()
    prepared.zero_grad(set_to_none=True)

"""The quantization plan of a network, from the configuration and the limits of this processor."""

from dataclasses import replace

from torch import nn

from compression.config.quantization_schema import LayerBits
from compression.core.errors import InputError
from compression.models.layer_groups import layer_groups
from compression.quantization.bits.layer_bits import assign_bits
from compression.quantization.grid import FULL_PRECISION, MAX_BITS
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.plan import REDUCED_BITS, Bits, Plan
from compression.run.context import Context
from compression.runtimes.cpu_features import read_cpu_features, saturates_u8s8


def plan_for(context: Context, model: nn.Module) -> Plan:
    """Return the configured plan for quantizing ``model``; raises ``InputError`` if no layer would be quantized."""
    config = context.config
    overrides = [LayerBits.parse(text) for text in config.quantization.layer_bits]
    layers = quantizable_layers(model)
    if not layers:
        target = config.model["_target_"]
        raise InputError(f"model {target} has no convolution or linear layer that can be quantized; must have one")
    bits = assign_bits(
        layers,
        Bits(config.weight_bits, config.activation_bits),
        [(one.pattern, one.weight, one.activation) for one in overrides],
        groups=layer_groups(config.model["_target_"]),
    )
    if all(one == Bits(FULL_PRECISION, FULL_PRECISION) for one in bits.values()):
        raise InputError(f"quantization.layer_bits={config.quantization.layer_bits} leaves no layer to quantize")
    dynamic = config.quantization.name == "dynamic"
    plan = make_plan(model, bits, activation_bits=config.activation_bits, dynamic=dynamic)
    return reduced(context, plan)


def left_in_float(model: nn.Module, plan: Plan) -> list[str]:
    """Return "name (type)" of the layers that keep float weights: their type is unsupported, or they have 32 bits."""
    held = {name for name, bits in plan.layers.items() if bits.weight != FULL_PRECISION}
    return [
        f"{name or 'itself'} ({type(module).__name__})"
        for name, module in model.named_modules()
        if name not in held and any(value.ndim > 1 for value in module.parameters(recurse=False))
    ]


def reduces_range(context: Context) -> bool:
    """Return whether 8-bit weights are limited to 7 bits, because this CPU saturates sums of their products."""
    wanted = context.config.quantization.reduce_range
    return saturates_u8s8(read_cpu_features()) if wanted is None else wanted


def reduced(context: Context, plan: Plan) -> Plan:
    """Return ``plan`` with 8-bit weights limited to 7 bits if this processor saturates sums of their products."""
    # Dynamic layers multiply uint8 by uint8, which does not saturate. Layers with float inputs multiply floats.
    eight = [
        name for name, bits in plan.layers.items() if bits.weight == MAX_BITS and bits.activation != FULL_PRECISION
    ]
    if plan.dynamic or not eight or not reduces_range(context):
        return plan
    layers = {name: Bits(REDUCED_BITS, bits.activation) for name, bits in plan.layers.items() if name in eight}
    return replace(plan, layers={**plan.layers, **layers}, reduced_range=True)

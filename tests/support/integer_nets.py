"""Networks with simulated rounding and integer networks, with scales from the range of the given batches."""

from collections.abc import Iterable

import torch
from torch import Tensor, fx, nn

from compression.core.tracing import trace
from compression.quantization.network.fake_network import make_plan, quantizable_layers
from compression.quantization.network.integer_network import integer_network, integer_state
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Activation, Bits, Plan
from compression.quantization.post_training import Calibration, calibrated, quantized


def plan_of(model: nn.Module, weight: int = 8, activation: int = 8, *, dynamic: bool = False) -> Plan:
    """Return the plan for quantizing every layer of ``model``."""
    layers = {name: Bits(weight, activation) for name in quantizable_layers(model)}
    return make_plan(model, layers, activation_bits=activation, dynamic=dynamic)


def rounding(
    model: nn.Module, plan: Plan, batches: Iterable[tuple[Tensor, Tensor | None]], *, fold: bool = True
) -> nn.Module:
    """Return ``model`` with simulated rounding; batch norm is folded, or unfolded as during training."""
    settings = Calibration(MinMax, MinMax, 3)
    made = quantized(model, plan, settings, batches).network if fold else calibrated(model, plan, settings, batches)
    return made.eval()


def to_integers(model: nn.Module, prepared: fx.GraphModule, plan: Plan) -> nn.Module:
    """Return the integer network that computes what ``prepared`` simulates."""
    network = integer_network(trace(model), plan)
    network.load_state_dict(integer_state(prepared, plan))
    return network.eval()


def wide_layer(layer: nn.Module, *, bias: int) -> nn.Module:
    """Return an integer network of one layer with the largest weights, behind a quantizer of 8 bits without a sign."""
    model = nn.Sequential(nn.ReLU(), layer, nn.Flatten())
    plan = Plan({"1": Bits(8, 8)}, {"_0": Activation(8, signed=False)})
    network = integer_network(trace(model), plan)
    state = dict(network.state_dict())
    generator = torch.Generator().manual_seed(4)
    for name, value in state.items():
        if name.endswith("1.weight"):
            state[name] = torch.randint(100, 128, value.shape, generator=generator).to(torch.int8)
        elif name.endswith("bias"):
            state[name] = torch.full_like(value, bias)
        else:
            state[name] = torch.full_like(value, 2.0**-8)
    network.load_state_dict(state)
    return network.eval()

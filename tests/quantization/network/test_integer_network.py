"""Tests of integer networks: they equal the simulation, keep zeros, and change only what the plan names."""

import pytest
import torch
from integer_nets import plan_of, rounding, to_integers
from torch import nn

from compression.core.counting import count_nonzero_parameters, count_parameters, model_sparsity
from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.network.fake_network import make_plan, quantizable_layers, quantizers
from compression.quantization.network.integer_layers import IntegerLayer, WeightOnlyLayer
from compression.quantization.network.integer_network import integer_network
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Activation, Bits, Plan
from compression.quantization.post_training import Calibration, quantized


@pytest.mark.parametrize("bits", [(8, 8), (6, 4), (2, 3)])
@pytest.mark.parametrize("fold", [True, False])
def test_integer_network_equals_the_simulation(model, batches, bits, fold):
    plan = plan_of(model, *bits)
    prepared = rounding(model, plan, batches, fold=fold)
    network = to_integers(model, prepared, plan)
    images = batches[0][0]
    steps = quantizers(prepared)["relu"].rounding_scale().item()
    with torch.no_grad():
        difference = (prepared(images) - network(images)).abs()
    # A value that lies between two integers may fall to either, in a few places; a wrong scale would be everywhere.
    assert difference.median() < 1e-5
    assert difference.max() < steps


@pytest.mark.parametrize("dynamic", [False, True])
def test_zeros_stay_zero(model, batches, dynamic):
    with torch.no_grad():
        model.stem[0].weight[:, 1] = 0
        model.depthwise.weight[3] = 0
        model.head.weight[:, ::2] = 0
    plan = plan_of(model, 3, 8, dynamic=dynamic)
    network = to_integers(model, rounding(model, plan, batches), plan)
    assert model_sparsity(network) >= model_sparsity(model) > 0.3
    assert not network.get_submodule("stem.0").weight[:, 1].any()
    assert not network.get_submodule("head").weight[:, ::2].any()


def test_relu6_is_clamped_by_the_grid(model, batches):
    model.stem[1].bias.data.fill_(9.0)
    plan = plan_of(model, 8, 6)
    network = to_integers(model, rounding(model, plan, batches), plan)
    assert not any(isinstance(module, nn.ReLU6) for module in network.modules())
    assert network.get_submodule("quantizers.stem_2").scale.item() == pytest.approx(6 / 63)


def test_float_layers_stay(model, batches):
    layers = {"stem.0": Bits(8, 8), "depthwise": Bits(4, 32), "head": Bits(32, 32)}
    plan = make_plan(model, layers, activation_bits=8)
    network = to_integers(model, rounding(model, plan, batches), plan)
    kinds = [type(network.get_submodule(name)) for name in layers]
    assert kinds == [IntegerLayer, WeightOnlyLayer, nn.Linear]


@pytest.mark.parametrize("floats", [["head"], ["depthwise"], ["stem.0", "head"]])
@pytest.mark.parametrize("activation_bits", [8, 32])
@pytest.mark.parametrize("fold", [True, False])
def test_layers_with_float_inputs_have_float_biases(model, batches, floats, activation_bits, fold):
    layers = {name: Bits(8, 32 if name in floats else 8) for name in quantizable_layers(model)}
    plan = make_plan(model, layers, activation_bits=activation_bits)
    prepared = rounding(model, plan, batches, fold=fold)
    network = to_integers(model, prepared, plan)
    assert network.get_submodule(floats[0]).bias.dtype == torch.float32
    with torch.no_grad():
        difference = (prepared(batches[0][0]) - network(batches[0][0])).abs()
    assert difference.median() < 1e-5


def test_a_value_before_a_batch_norm_is_rounded_before_it(batches):
    """A ReLU is never negative, but the batch norm behind it is."""
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4)),
    )
    for images, _ in batches * 20:
        model(images)
    plan = plan_of(model.eval(), 8, 8)
    for fold in (True, False):
        prepared = rounding(model, plan, batches, fold=fold)
        with torch.no_grad():
            wanted = model(batches[0][0])
            torch.testing.assert_close(prepared(batches[0][0]), wanted, rtol=0, atol=0.02 * wanted.abs().max().item())
            network = to_integers(model, prepared, plan)
            torch.testing.assert_close(network(batches[0][0]), prepared(batches[0][0]), rtol=0, atol=1e-3)


def test_weight_only_quantization(model, batches):
    plan = plan_of(model, 8, 32)
    assert not plan.activations
    network = to_integers(model, quantized(model, plan, Calibration(MinMax, None, 0), batches).network, plan)
    images = batches[0][0]
    torch.testing.assert_close(network(images), model(images), rtol=0.05, atol=0.05)


def test_values_in_integer_layers_are_counted(model, batches):
    plan = plan_of(model)
    network = to_integers(model, rounding(model, plan, batches), plan)
    weights, outputs = 8 * 3 * 9 + 8 * 9 + 8 * 4, 8 + 8 + 4
    assert count_parameters(network) == weights + 2 * outputs
    assert 0 < count_nonzero_parameters(network) <= count_parameters(network)


def test_a_plan_of_another_network_is_refused(model):
    with pytest.raises(InputError, match="layer conv9 cannot be quantized; allowed: depthwise, head"):
        integer_network(trace(model), Plan({"conv9": Bits(8, 8)}))
    with pytest.raises(InputError, match="no activation elsewhere"):
        integer_network(trace(model), Plan({"head": Bits(8, 8)}, {"elsewhere": Activation(8, signed=False)}))
    with pytest.raises(InputError, match="layer head has no quantized input"):
        integer_network(trace(model), Plan({"head": Bits(8, 8)}))

import pytest
import torch
from rounding_nets import ResidualNet, depthwise_net, fold, quantize, randomize_
from torch import nn

from compression.quantization.network import graph as ops
from compression.quantization.network.fake_network import fake_layers
from compression.quantization.rate.fisher import measure_curvature
from compression.quantization.rate.rate_aware import round_by_rate_


@pytest.mark.parametrize("make", [ResidualNet, depthwise_net])
def test_weights_of_a_network_are_rounded_permanently(make):
    net = randomize_(make())
    if make is depthwise_net:
        net = nn.Sequential(*net, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, ops.LAYERS):
                module.weight[module.weight.abs() < 0.02] = 0
    reference = fold(net)
    images = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    prepared = quantize(reference, None, weight_bits=6)
    batches = [(images, torch.arange(32) % 4)]
    curvature = measure_curvature(reference, batches, num_batches=1)
    bits = round_by_rate_(prepared, curvature, lam=0.02)
    assert bits.chosen < 0.9 * bits.nearest
    exact = dict(reference.named_parameters())
    for name, layer in fake_layers(prepared).items():
        # What is stored is what was chosen.
        assert torch.allclose(layer.fake_quantized_weight(), layer.weight, rtol=1e-5)
        assert not layer.weight[exact[f"{name}.weight"] == 0].any()
    assert all(parameter.grad is None for parameter in reference.parameters())


def test_a_layer_that_nothing_reads_goes_and_the_others_stay():
    net = randomize_(nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.Linear(8, 8), nn.Linear(8, 4)))
    with torch.no_grad():
        # The third layer reads one channel of the second, which therefore reads nothing that matters elsewhere.
        net[3].weight[:, 1:] = 0
        net[2].weight[0] = 0
    reference = fold(net)
    images = torch.randn(32, 3, 2, 2, generator=torch.Generator().manual_seed(1))
    curvature = measure_curvature(reference, [(images, torch.arange(32) % 4)], num_batches=1)
    prepared = quantize(reference, None, weight_bits=8)
    round_by_rate_(prepared, curvature, lam=0.01)
    layers = fake_layers(prepared)
    assert not layers["1"].weight.any()
    assert layers["3"].weight.any()


def test_integers_are_chosen_for_the_scales_that_are_stored():
    reference = fold(randomize_(ResidualNet()))
    images = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    curvature = measure_curvature(reference, [(images, torch.arange(32) % 4)], num_batches=1)
    prepared = quantize(reference, None, weight_bits=8)
    round_by_rate_(prepared, curvature, lam=1e-6)
    exact = dict(reference.named_parameters())
    for name, layer in fake_layers(prepared).items():
        weight = exact[f"{name}.weight"].flatten(1)
        gain = (layer.weight.flatten(1) * weight).sum(1) / weight.square().sum(1)
        # Grid neighbours are a factor of 1.09 apart.
        assert (gain - 1).abs().max() < 0.02


def test_a_larger_price_makes_the_grid_of_biases_coarser():
    reference = fold(randomize_(ResidualNet()))
    images = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    curvature = measure_curvature(reference, [(images, torch.arange(32) % 4)], num_batches=1)
    # The second layer is not measured.
    del curvature["first.weight"], curvature["first.bias"]
    found = []
    for price in (0.01, 0.04):
        prepared = quantize(reference, None, weight_bits=8)
        round_by_rate_(prepared, curvature, lam=price)
        found.append({name: layer.bias_step for name, layer in fake_layers(prepared).items()})
    assert found[0].pop("first") == found[1].pop("first") == 0
    assert all(found[1][name] == pytest.approx(2 * step) for name, step in found[0].items())
    assert min(found[0].values()) > 0

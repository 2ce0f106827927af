import math

import pytest
import torch
from rounding_nets import ResidualNet, depthwise_net, fold, quantize, randomize_
from torch import nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.quantization import graph as ops
from compression.quantization.adaround import AdaRound
from compression.quantization.channel_fit import fit_channels_
from compression.quantization.code_length import code_bits, order0_cost
from compression.quantization.curvature import SMOOTHING, measure_curvature, relative_curvature
from compression.quantization.network import fake_layers
from compression.quantization.post_training import Repairs
from compression.quantization.rate_aware import round_by_rate_
from compression.quantization.rdoq import rate_aware_rounding, rate_aware_steps


def random_layer(rows=16, size=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, size, generator=generator)
    weight[torch.rand(rows, size, generator=generator) < 0.5] = 0
    return weight, weight.abs().amax(1) / 31, torch.rand(rows, size, generator=generator) + 0.1


def magnitude_cost(_integers, max_level):
    """A coder that needs one bit for a zero, and one for each step from there."""
    return 1 + torch.arange(-max_level, max_level + 1).abs().float()


def test_price_flips_the_choice():
    # Down to 1 is off by 0.6, up to 2 by 0.4: the difference in error is c (0.36 - 0.16), and in bits 1.
    weight, scale, curvature = torch.tensor([[1.6]]), torch.ones(1), torch.tensor([[5.0]])

    def chosen(lam):
        made = rate_aware_rounding(
            weight, scale, curvature=curvature, cost=magnitude_cost, lam=lam, max_level=3, mask=None
        )
        return made.item()

    assert chosen(0.99) == 2
    assert chosen(1.01) == 1
    # From 1 to 0 it is 5 (2.56 - 0.36) = 11 for one bit more.
    assert chosen(10.99) == 1
    assert chosen(11.01) == 0


def test_curvature_flips_the_choice():
    weight, curvature = torch.tensor([[1.6, 1.6, -1.6]]), torch.tensor([[5.0, 0.1, 5.0]])
    made = rate_aware_rounding(weight, torch.ones(1), curvature=curvature, cost=magnitude_cost, lam=0.9, max_level=3)
    assert made.tolist() == [[2, 0, -2]]


@pytest.mark.parametrize("round_", [rate_aware_rounding, lambda *a, **k: rate_aware_steps(*a, **k).integers])
def test_price_of_zero_is_rounding_to_nearest(round_):
    weight, scale, curvature = random_layer()
    made = round_(weight, scale, curvature=curvature, cost=order0_cost, lam=0.0, max_level=31)
    assert torch.equal(made, torch.round(weight / scale[:, None]))


@pytest.mark.parametrize("lam", [1e-3, 0.1, 10.0])
def test_zeros_stay_and_the_grid_is_kept(lam):
    weight, scale, curvature = random_layer()
    for max_level in (31, 7):
        made = rate_aware_steps(
            weight, scale, curvature=curvature, cost=order0_cost, lam=lam, max_level=max_level, mask=weight != 0
        )
        assert not made.integers[weight == 0].any()
        assert made.integers.abs().max() <= max_level
        assert (made.integers * weight >= 0).all()
        assert (made.integers.abs() <= (weight.abs() / scale[:, None]).ceil()).all()
    mask = torch.zeros_like(weight, dtype=torch.bool)
    assert not rate_aware_rounding(
        weight, scale, curvature=curvature, cost=order0_cost, lam=lam, max_level=31, mask=mask
    ).any()


def test_rate_falls_with_the_price():
    weight, scale, curvature = random_layer()
    for round_ in (rate_aware_rounding, lambda *a, **k: rate_aware_steps(*a, **k).integers):
        bits = [
            code_bits(round_(weight, scale, curvature=curvature, cost=order0_cost, lam=lam, max_level=31))
            for lam in (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
        ]
        assert bits == sorted(bits, reverse=True)
        assert bits[-1] < bits[1] / 4


def test_steps_cost_no_more_than_the_grids_own():
    weight, scale, curvature = random_layer()
    settings = {"curvature": curvature, "cost": magnitude_cost, "lam": 0.05, "max_level": 31}

    def objective(integers, steps):
        distortion = (curvature * (weight - steps[:, None] * integers).square()).sum()
        return float(distortion + 0.05 * (1 + integers.abs()).sum())

    plain = rate_aware_rounding(weight, scale, **settings)
    made = rate_aware_steps(weight, scale, **settings)
    assert objective(made.integers, made.scale) < objective(plain, scale)
    # No other step is better with these integers.
    for factor in (0.99, 1.01):
        assert objective(made.integers, made.scale) < objective(made.integers, made.scale * factor)
    assert (made.scale > 0.9 * scale).all()


def test_costs_may_differ_by_row():
    def by_row(integers, max_level):
        free = torch.zeros(2 * max_level + 1)
        return torch.stack([free, magnitude_cost(integers, max_level)])

    weight = torch.tensor([[1.6], [1.6]])
    made = rate_aware_rounding(
        weight, torch.ones(2), curvature=torch.ones(2, 1), cost=by_row, lam=1.0, max_level=3, mask=None
    )
    assert made.tolist() == [[2], [1]]


def test_code_length_by_hand():
    integers = torch.tensor([[0, 0, 0, 0], [1, 1, -1, -1]])
    # Half of them cost one bit, the others two.
    assert code_bits(integers) == pytest.approx(4 + 8)
    assert code_bits(torch.zeros(5, 5)) == 0
    cost = order0_cost(integers, 2)
    assert cost[2] == pytest.approx(-math.log2(4.1 / 8.5))
    assert cost[1] == cost[3] == pytest.approx(-math.log2(2.1 / 8.5))
    assert torch.isfinite(cost).all()


def test_curvature_of_a_linear_layer_by_hand():
    net = nn.Sequential(nn.Linear(3, 2, bias=False)).eval()
    images, labels = torch.tensor([[1.0, 2.0, 0.0], [3.0, -1.0, 0.0]]), torch.tensor([0, 1])
    # The gradient of an image's cross-entropy by the logits is softmax - one-hot.
    slopes = (net(images).softmax(1) - F.one_hot(labels, 2)).detach()
    fisher = (slopes.square()[:, :, None] * images.square()[:, None]).mean(0)
    factored = fisher.sum(1, keepdim=True) * fisher.sum(0) / fisher.sum()
    found = measure_curvature(ops.trace(net), [(images[:1], labels[:1]), (images[1:], labels[1:])], num_batches=2)["0"]
    assert torch.allclose(found, (fisher + factored) / 2 + SMOOTHING * fisher.mean(), rtol=1e-5)
    assert found[0, 2] > 0


def test_a_weight_that_meets_padding_alone_is_hardly_felt():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten())
    images = torch.randn(16, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    reference = ops.trace(randomize_(net))
    found = measure_curvature(reference, [(images, torch.arange(16) % 4)], num_batches=1)["0"].view(4, 3, 3, 3)
    centre = torch.zeros(3, 3, dtype=torch.bool)
    centre[1, 1] = True
    assert found[..., ~centre].max() < 0.01 * found[..., centre].mean()


def test_curvature_is_measured_against_the_weights():
    weights = {"a": torch.tensor([[2.0, 0.0]]), "b": torch.tensor([[1.0]])}
    made = relative_curvature({"a": torch.tensor([[3.0, 9.0]]), "b": torch.tensor([[8.0]])}, weights)
    # 3 * 4 + 8 over two weights is 10.
    assert made["a"].tolist() == [[pytest.approx(0.3), pytest.approx(0.9)]]
    assert made["b"].item() == pytest.approx(0.8)


@pytest.mark.parametrize("make", [ResidualNet, depthwise_net])
def test_networks_are_rounded_for_good(make):
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
    bits = round_by_rate_(prepared, reference, batches, lam=0.02, num_batches=1)
    assert bits.chosen < 0.9 * bits.nearest
    exact = dict(reference.named_parameters())
    for name, layer in fake_layers(prepared).items():
        # What is stored is what was chosen.
        assert torch.allclose(layer.fake_quantized_weight(), layer.weight, rtol=1e-5)
        assert not layer.weight[exact[f"{name}.weight"] == 0].any()
    assert all(parameter.grad is None for parameter in reference.parameters())


def test_channels_are_fitted_by_hand():
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(1.7)
    reference = ops.trace(net)
    # With two bits and scale 1 the weight becomes 1.
    prepared = quantize(reference, None, weight_bits=2)
    layer = prepared.get_submodule("0")
    with torch.no_grad():
        layer.weight_scale.fill_(1.0)
        layer.weight.fill_(1.0)
    inputs = torch.tensor([[1.0], [2.0], [4.0]])
    fit_channels_(prepared, reference, [(inputs[:2], None), (inputs[2:], None)], num_batches=2)
    assert layer.weight_scale.item() == pytest.approx(1.7)
    assert layer.weight.item() == pytest.approx(1.7)
    assert layer.bias.item() == pytest.approx(0.0, abs=1e-6)


def test_fitted_channels_are_nearer_and_keep_their_integers():
    reference = fold(randomize_(ResidualNet()))
    images = torch.randn(32, 3, 8, 8, generator=torch.Generator().manual_seed(1)) + 1
    prepared = quantize(reference, None, weight_bits=3)
    with torch.no_grad():
        for layer in fake_layers(prepared).values():
            layer.weight.copy_(layer.fake_quantized_weight())
            # A channel of no weights, and one that only lost its scale.
            layer.weight[0] = 0
            layer.weight_scale[1] *= 0.6
            layer.weight[1] *= 0.6

    def integers():
        return {
            name: layer.weight.flatten(1) / layer.weight_scale[:, None] for name, layer in fake_layers(prepared).items()
        }

    before, off = integers(), (prepared(images) - reference(images)).square().mean()
    fit_channels_(prepared, reference, [(images, None)], num_batches=1)
    assert (prepared(images) - reference(images)).square().mean() < off / 2
    for name, values in integers().items():
        assert torch.allclose(values, before[name], atol=1e-4)


def test_no_batch_is_refused():
    with pytest.raises(InputError, match="at least one batch"):
        measure_curvature(fold(randomize_(ResidualNet())), [], num_batches=1)
    reference = fold(randomize_(ResidualNet()))
    with pytest.raises(InputError, match="at least one batch"):
        fit_channels_(quantize(reference, None), reference, [], num_batches=1)


def test_not_beside_adaround():
    with pytest.raises(InputError, match=r"rdoq_lambda=0\.1 contradicts adaround"):
        Repairs(adaround=AdaRound(), rdoq_lambda=0.1)

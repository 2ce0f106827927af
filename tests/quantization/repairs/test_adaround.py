import copy
import itertools
import math

import pytest
import torch
from rounding_nets import ResidualNet, depthwise_net, fold, quantize, randomize_
from torch import nn

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.grid import weight_grid
from compression.quantization.network.fake_layers import to_fake_quantized
from compression.quantization.network.fake_network import fake_layers
from compression.quantization.network.fake_quantize import to_integers
from compression.quantization.repairs.adaround import AdaRound, beta_at, learn_layer_, learn_rounding_
from compression.quantization.repairs.reconstruction import Reconstruction

FAST = AdaRound(iterations=150, lr=5e-2)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(size=24):
    return torch.randn(size, 3, 8, 8, generator=generator(3)) + 0.5


def integers(layer):
    rows = layer.weight_scale.reshape(-1, *[1] * (layer.weight.ndim - 1))
    return to_integers(layer.weight.detach(), rows, layer.weight_grid)


def test_exponent_of_the_regularizer_by_hand():
    assert [beta_at(0.0), beta_at(0.19)] == [None, None]
    assert [beta_at(0.2), beta_at(0.6), beta_at(1.0)] == [20.0, pytest.approx(11.0), 2.0]


def toy(weight, *, seed=0, bits=3, clamped=True):
    layer = nn.Linear(weight.shape[1], len(weight), bias=False)
    layer.weight.data.copy_(weight)
    layer = to_fake_quantized(layer, weight_grid(bits))
    layer.weight_scale.data.fill_(0.5)
    # Inputs that go together, so that errors of weights add up or cancel.
    common = torch.randn(96, 1, 1, 1, generator=generator(seed))
    inputs = common + 0.4 * torch.randn(96, 1, 1, weight.shape[1], generator=generator(seed + 1)) + 0.5
    targets = inputs[:, :, 0] @ weight.t()
    ceiling = math.inf if clamped else None
    return layer, Reconstruction(inputs, targets.relu() if clamped else targets, torch.zeros(len(weight)), ceiling)


@pytest.mark.parametrize("clamped", [False, True])
def test_rounding_of_six_weights_is_close_to_the_optimum(clamped):
    weight = torch.randn(24, 6, generator=generator(100)).clamp(-1.2, 1.2)
    layer, problem = toy(weight, clamped=clamped)
    settings = AdaRound(iterations=400, lr=3e-2, regularizer=0.3)
    errors = learn_layer_(layer, problem, settings=settings, generator=generator())
    assert errors.learned == pytest.approx(problem.error(integers(layer) * 0.5), rel=1e-5)

    def error_of_rows(rounded):
        outputs = problem.inputs[:, 0, 0] @ rounded.t()
        return ((outputs.relu() if clamped else outputs) - problem.targets[:, 0]).square().mean(0)

    # Rows have nothing to do with each other, so there are 64 roundings of each.
    floor = (weight / 0.5).floor()
    best = torch.stack(
        [error_of_rows(0.5 * (floor + torch.tensor(ups))) for ups in itertools.product([0.0, 1.0], repeat=6)]
    ).amin(0)
    learned, nearest = error_of_rows(layer.weight.detach()), error_of_rows(0.5 * torch.round(weight / 0.5))
    assert learned.sum().item() == pytest.approx(errors.learned, rel=1e-4)
    assert nearest.sum().item() == pytest.approx(errors.nearest, rel=1e-4)
    assert (learned <= best * 1.0001).sum() >= 12
    assert (learned - best).sum() < 0.15 * (nearest - best).sum()


def test_weights_go_up_or_down_and_rounding_to_nearest_keeps_them():
    weight = torch.randn(8, 12, generator=generator(5))
    weight[torch.rand(8, 12, generator=generator(6)) < 0.4] = 0.0
    layer, problem = toy(weight)
    errors = learn_layer_(layer, problem, settings=FAST, generator=generator())
    assert errors.learned < 0.5 * errors.nearest
    chosen = integers(layer)
    torch.testing.assert_close(layer.weight.detach(), chosen * 0.5)
    floor = (weight / 0.5).floor()
    assert ((chosen == floor.clamp(-3, 3)) | (chosen == (floor + 1).clamp(-3, 3))).all()
    assert (chosen != to_integers(weight, torch.tensor(0.5), layer.weight_grid)).any()
    assert (layer.weight[weight == 0] == 0).all()


def test_nearest_is_kept_if_nothing_better_is_found():
    # What is on the grid already cannot be improved.
    weight = torch.randint(-3, 4, (4, 6), generator=generator(7)) * 0.5
    layer, problem = toy(weight)
    errors = learn_layer_(layer, problem, settings=FAST, generator=generator())
    assert errors.nearest == errors.learned == pytest.approx(0.0, abs=1e-10)
    assert torch.equal(layer.weight.detach(), weight)


@pytest.mark.parametrize("make", [ResidualNet, lambda: depthwise_net(nn.ReLU6)])
@pytest.mark.parametrize("rounded", [True, False])
def test_learned_rounding_is_closer_to_the_reference(make, rounded):
    reference, batch = fold(randomize_(make())), images()
    prepared = quantize(reference, batch if rounded else None, weight_bits=3)
    before = copy.deepcopy(prepared)
    errors = learn_rounding_(prepared, reference, batch, generator=generator(), settings=FAST)
    assert list(errors) == list(fake_layers(prepared))
    assert all(each.learned <= each.nearest for each in errors.values())
    with torch.no_grad():
        distance = [(net(batch) - reference(batch)).square().mean().item() for net in (before, prepared)]
    assert distance[1] < 0.6 * distance[0]
    for name, layer in fake_layers(prepared).items():
        assert torch.equal(layer.weight_scale, before.get_submodule(name).weight_scale)
        torch.testing.assert_close(layer.weight, layer.fake_quantized_weight(), rtol=1e-6, atol=0)


def test_results_depend_only_on_the_generator():
    reference, batch = fold(randomize_(ResidualNet())), images()
    found = []
    for seed in (0, 0, 1):
        prepared = quantize(reference, batch)
        learn_rounding_(prepared, reference, batch, generator=generator(seed), settings=FAST)
        found.append(torch.cat([layer.weight.flatten() for layer in fake_layers(prepared).values()]))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("key", "value"),
    [("iterations", 0), ("batch_size", 1.5), ("positions", -1), ("lr", 0.0), ("lr", math.nan), ("regularizer", -1.0)],
)
def test_invalid_settings_are_refused(key, value):
    with pytest.raises(InputError, match=f"{key}={value}"):
        AdaRound(**{key: value})


def test_networks_that_are_not_ready_are_refused():
    reference = trace(randomize_(ResidualNet()))
    with pytest.raises(AssertionError, match="not folded"):
        learn_rounding_(reference, reference, images(), generator=generator())

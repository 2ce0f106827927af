import pytest
import torch
from rounding_nets import ResidualNet, fold, randomize_
from torch import nn
from torch.nn import functional as F
from user_nets import TiedWeights

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.network.fake_network import quantizable_layers
from compression.quantization.rate.fisher import SMOOTHING, measure_curvature, relative_curvature


def test_curvature_of_a_linear_layer_by_hand():
    net = nn.Sequential(nn.Linear(3, 2, bias=False)).eval()
    images, labels = torch.tensor([[1.0, 2.0, 0.0], [3.0, -1.0, 0.0]]), torch.tensor([0, 1])
    # The gradient of an image's cross-entropy by the logits is softmax - one-hot.
    slopes = (net(images).softmax(1) - F.one_hot(labels, 2)).detach()
    fisher = (slopes.square()[:, :, None] * images.square()[:, None]).mean(0)
    factored = fisher.sum(1, keepdim=True) * fisher.sum(0) / fisher.sum()
    found = measure_curvature(trace(net), [(images[:1], labels[:1]), (images[1:], labels[1:])], num_batches=2)[
        "0.weight"
    ]
    assert torch.allclose(found, (fisher + factored) / 2 + SMOOTHING * fisher.mean(), rtol=1e-5)
    assert found[0, 2] > 0


def test_curvature_of_a_bias_by_hand():
    net = nn.Sequential(nn.Linear(3, 2)).eval()
    images, labels = torch.tensor([[1.0, 2.0, 0.0], [3.0, -1.0, 0.0]]), torch.tensor([0, 1])
    slopes = (net(images).softmax(1) - F.one_hot(labels, 2)).detach()
    found = measure_curvature(trace(net), [(images, labels)], num_batches=1)
    assert torch.allclose(found["0.bias"], slopes.square().mean(0), rtol=1e-5)


def test_gradients_of_all_positions_are_added_before_they_are_squared():
    net = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    images, labels = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0)), torch.arange(5) % 2
    # A 1x1 convolution and a mean are a linear layer of the mean image.
    linear = nn.Sequential(nn.Linear(3, 2, bias=False)).eval()
    linear.load_state_dict({"0.weight": net[0].weight.detach().flatten(1)})
    found = measure_curvature(trace(net), [(images, labels)], num_batches=1)["0.weight"]
    expected = measure_curvature(trace(linear), [(images.mean((2, 3)), labels)], num_batches=1)["0.weight"]
    assert torch.allclose(found, expected, rtol=1e-4)


def test_a_frozen_weight_is_measured_too():
    net = fold(randomize_(ResidualNet()))
    batch = (torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4))
    expected = measure_curvature(net, [batch], num_batches=1)
    found = measure_curvature(net.requires_grad_(False), [batch], num_batches=1)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_layers_that_share_a_weight_have_none():
    net = trace(TiedWeights(num_classes=4).eval())
    batch = (torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(4))
    found = {name.rpartition(".")[0] for name in measure_curvature(net, [batch], num_batches=1)}
    assert set(quantizable_layers(net)) == found


def test_a_weight_that_only_meets_padding_has_little_curvature():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten())
    images = torch.randn(16, 3, 1, 1, generator=torch.Generator().manual_seed(0))
    reference = trace(randomize_(net))
    found = measure_curvature(reference, [(images, torch.arange(16) % 4)], num_batches=1)["0.weight"].view(4, 3, 3, 3)
    centre = torch.zeros(3, 3, dtype=torch.bool)
    centre[1, 1] = True
    assert found[..., ~centre].max() < 0.01 * found[..., centre].mean()


def test_a_layer_that_no_image_is_sensitive_to_has_none():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)).eval()
    nn.init.zeros_(net[2].weight)
    batch = (torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 2)
    found = measure_curvature(trace(net), [batch], num_batches=1)
    assert not found["1.weight"].any()
    assert found["2.weight"].all()


def test_where_no_layer_matters_all_count_alike():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3, 4), nn.Linear(4, 1)).eval()
    # One class is always certain.
    found = measure_curvature(trace(net), [(torch.ones(2, 3), torch.zeros(2, dtype=torch.int64))], num_batches=1)
    assert all((values == 1).all() for values in found.values())


def test_relative_curvature_is_normalized_by_the_weights():
    weights = {"a": torch.tensor([[2.0, 0.0]]), "b": torch.tensor([[1.0]])}
    curvature = {
        "a.weight": torch.tensor([[4.0, 9.0]]),
        "a.bias": torch.tensor([8.0]),
        "b.weight": torch.tensor([[4.0]]),
    }
    made = relative_curvature(curvature, weights)
    # The costs of the weights that are not 0 are 16 and 4, whose square roots 4 and 2 have a mean of 3.
    assert made["a.weight"].tolist() == [[pytest.approx(4 / 3 / 4), pytest.approx(9 / 4 * 4 / 3 / 4)]]
    assert made["b.weight"].item() == pytest.approx(2 / 3)
    # A bias keeps its ratio to the weights of its layer.
    assert made["a.bias"].item() == pytest.approx(2 * made["a.weight"][0, 0].item())


def test_relative_curvature_of_a_layer_without_weights_is_kept_finite():
    weights = {"a": torch.zeros(1, 2), "b": torch.tensor([[1.0]])}
    made = relative_curvature({"a.weight": torch.ones(1, 2), "b.weight": torch.tensor([[4.0]])}, weights)
    assert made["b.weight"].item() == pytest.approx(1)
    assert made["a.weight"].isfinite().all()


def test_no_batch_is_refused():
    with pytest.raises(InputError, match="the curvature needs at least one batch"):
        measure_curvature(fold(randomize_(ResidualNet())), [], num_batches=1)

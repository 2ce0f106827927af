import math

import pytest
import torch
from rounding_nets import ResidualNet, depthwise_net, fold, quantize, randomize_
from torch import nn

from compression.quantization.network.layerwise import layer_nodes
from compression.quantization.repairs.reconstruction import Reconstruction, capture, effective_bias, following_ceiling


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(size=24):
    return torch.randn(size, 3, 8, 8, generator=generator(3)) + 0.5


@pytest.mark.parametrize("ceiling", [None, math.inf, 1.0])
@pytest.mark.parametrize("groups", [1, 3])
def test_gradients_of_a_reconstruction_are_those_of_autograd(ceiling, groups):
    inputs, targets = torch.randn(5, 2, groups, 4, generator=generator(1)), torch.randn(5, 2, 6, generator=generator(2))
    problem = Reconstruction(inputs, targets, torch.randn(6, generator=generator(3)), ceiling)
    weight = torch.randn(6, 4, generator=generator(4)).requires_grad_()
    chosen = torch.tensor([3, 0, 4])
    outputs = torch.einsum("npgk,gok->npgo", inputs, weight.view(groups, -1, 4)).flatten(2) + problem.bias
    outputs = outputs if ceiling is None else outputs.clamp(0, ceiling)
    (outputs[chosen] - targets[chosen]).square().sum(-1).mean().backward()
    found = problem.gradient(weight.detach(), chosen)
    torch.testing.assert_close(found, weight.grad, rtol=1e-4, atol=1e-5)
    assert problem.error(weight.detach()) == pytest.approx((outputs - targets).square().sum(-1).mean().item(), rel=1e-4)


def test_bias_and_clamp_are_those_of_the_network():
    reference, batch = fold(randomize_(ResidualNet())), images()
    prepared = quantize(reference, batch)
    nodes, layer = layer_nodes(prepared), prepared.get_submodule("first")
    bias = effective_bias(prepared, nodes["first"])
    unit = prepared.get_submodule("quantizers.relu").rounding_scale() * layer.weight_scale
    assert not torch.equal(bias, layer.bias)
    torch.testing.assert_close(bias / unit, torch.round(layer.bias / unit), rtol=1e-4, atol=1e-4)
    assert torch.equal(effective_bias(reference, layer_nodes(reference)["first"]), layer.bias)
    assert [following_ceiling(reference, node) for node in layer_nodes(reference).values()] == [
        *(math.inf, math.inf, None, math.inf, None)
    ]
    clamped = fold(depthwise_net(nn.ReLU6))
    assert following_ceiling(clamped, layer_nodes(clamped)["0"]) == 6.0


def test_captures_are_bounded():
    layer = nn.Conv2d(3, 5, 3, padding=1)
    batch = images()
    pairs = [(part, layer(part).detach()) for part in batch.split(10)]
    per_position = 4 * (27 + 5)

    def shape(max_bytes, positions=64):
        inputs, targets = capture(
            layer, iter(pairs), num_images=24, positions=positions, generator=generator(), max_bytes=max_bytes
        )
        assert inputs.dtype == targets.dtype == torch.float32
        assert inputs.shape[:2] == targets.shape[:2]
        return tuple(inputs.shape[:2])

    # Of 64 pixels, 8 tell enough of 27 weights.
    assert shape(2**20) == (24, 8)
    assert shape(2**20, positions=2) == (24, 2)
    assert shape(24 * 3 * per_position + 1) == (24, 3)
    assert shape(11 * per_position) == (11, 1)

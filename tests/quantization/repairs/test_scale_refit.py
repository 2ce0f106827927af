import pytest
import torch
from rounding_nets import ResidualNet, fold, quantize, randomize_
from torch import nn

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.network.fake_network import fake_layers
from compression.quantization.repairs.scale_refit import fit_channels_


def test_channels_are_fitted_by_hand():
    net = nn.Sequential(nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        net[0].weight.fill_(1.7)
    reference = trace(net)
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


def test_fitted_channels_are_closer_and_keep_their_integers():
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
    reference = fold(randomize_(ResidualNet()))
    with pytest.raises(InputError, match="channels are fitted on at least one batch"):
        fit_channels_(quantize(reference, None), reference, [], num_batches=1)

import pytest
import torch
from integer_nets import plan_of, rounding, to_integers
from torch import nn

from compression.core.errors import InputError
from compression.quantization.grid import weight_grid
from compression.quantization.network.fake_layers import fitting_scale, to_fake_quantized
from compression.quantization.network.integer_network import integer_state


def test_integers_follow_the_scale_that_a_huge_bias_forces():
    # On the grid of scale 0.01 already; a bias of 4e7 needs 4e7 / (0.01 * 1/127) counts, more than int32 holds.
    model = nn.Sequential(nn.Conv2d(1, 2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.27, -0.64]).reshape(2, 1, 1, 1))
        model[0].bias.copy_(torch.tensor([0.0, 4e7]))
    plan = plan_of(model)
    prepared = rounding(model, plan, [(torch.linspace(-1, 1, 64).reshape(1, 1, 8, 8), None)])
    state = integer_state(prepared, plan)
    assert state["0.weight_scale"][1] > 1
    stored = state["0.weight"].flatten() * state["0.weight_scale"]
    assert ((stored - torch.tensor([1.27, -0.64])).abs() <= state["0.weight_scale"] / 2).all()


def test_a_channel_without_weights_keeps_its_bias(model, batches):
    with torch.no_grad():
        model.depthwise.weight[3] = 0
    plan = plan_of(model)
    prepared = rounding(model, plan, batches)
    network = to_integers(model, prepared, plan)
    layer = network.get_submodule("depthwise")
    scale = network.get_submodule("quantizers.stem_2").scale
    folded = prepared.get_submodule("depthwise").bias[3]
    assert (layer.bias[3] * scale * layer.weight_scale[3]).item() == pytest.approx(folded.item(), rel=1e-5)


def test_layers_with_non_finite_weights_are_named(model, batches):
    model.head.weight.data[0, 0] = float("nan")
    with pytest.raises(InputError, match="the weight of head is NaN or infinite"):
        rounding(model, plan_of(model), batches)


def test_fitting_scale_by_hand():
    # A bias has at most 2**30 counts of input scale times weight scale, and 2**20 beside weights that are all 0.
    scale = torch.tensor([0.5, 0.5, 0.5, 0.5])
    bias = torch.tensor([1.0, 2.0**31, -(2.0**31), -4.0])
    dead = torch.tensor([False, False, True, True])
    found = fitting_scale(scale, bias, torch.tensor(0.25), dead=dead)
    assert found.tolist() == [0.5, 2.0**31 * 4 / 2**30, 2.0**31 * 4 / 2**20, 16 / 2**20]


def test_a_layer_that_rounds_shares_its_parameters():
    layer = nn.Conv2d(3, 4, 3, stride=2, padding=1)
    fake = to_fake_quantized(layer, weight_grid(4))
    assert fake.weight is layer.weight
    assert fake.bias is layer.bias
    assert (fake.stride, fake.padding) == ((2, 2), (1, 1))
    assert not hasattr(layer, "weight_scale")
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        layer.weight.copy_(torch.round(layer.weight * 9).clamp(-7, 7))
        # On the grid of scale 1 already.
        assert torch.equal(fake(images), layer(images))

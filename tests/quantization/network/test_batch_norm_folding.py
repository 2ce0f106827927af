from functools import partial

import pytest
import torch
from integer_nets import plan_of, rounding
from residual_net import Residual, randomize_
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from user_nets import TiedNorms, TwoNames

from compression.core.tracing import trace
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.integer_network import integer_state


@pytest.mark.parametrize(
    "make",
    [
        Residual,
        partial(mobilenet_v2, num_classes=4),
        pytest.param(partial(resnet18, num_classes=4), marks=pytest.mark.slow),
    ],
)
def test_folding_keeps_the_function(make):
    model = randomize_(make()).double()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    folded = trace(model)
    names = fold_batch_norms_(folded)
    assert len(names) == sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    torch.testing.assert_close(folded(images), model(images))


def test_batch_norm_with_negative_scale_flips_the_integers(model, batches):
    plan = plan_of(model)
    model.norm.weight.data[2:5] = -0.7
    prepared = rounding(model, plan, batches, fold=False)
    signs = torch.sign(model.norm.weight.detach())
    state = integer_state(prepared, plan)
    layer = prepared.get_submodule("depthwise")
    integers = torch.round(layer.weight.detach() / layer.weight_scale.reshape(-1, 1, 1, 1))
    assert torch.equal(state["depthwise.weight"].float(), integers * signs.reshape(-1, 1, 1, 1))
    assert (state["depthwise.weight_scale"] > 0).all()


@pytest.mark.parametrize("make", [TwoNames, TiedNorms])
def test_layers_that_share_a_weight_keep_their_batch_norm(make):
    model = randomize_(make(num_classes=4)).double()
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    folded = trace(model)
    assert fold_batch_norms_(folded) == ["conv1"]
    torch.testing.assert_close(folded(images), model(images))


def test_layers_with_a_computed_weight_keep_their_batch_norm():
    model = randomize_(nn.Sequential(weight_norm(nn.Conv2d(3, 4, 3)), nn.BatchNorm2d(4))).double()
    images = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    folded = trace(model)
    assert fold_batch_norms_(folded) == []
    torch.testing.assert_close(folded(images), model(images))


class NormOfTokens(nn.Module):
    """A linear layer on tokens ``[B, N, C]``, whose batch norm normalizes the tokens: N equals the layer's outputs."""

    def __init__(self, *, width=8):
        super().__init__()
        self.conv, self.linear, self.norm = nn.Conv2d(3, 8, 8, 8), nn.Linear(4, width), nn.BatchNorm1d(8)
        self.head = nn.Linear(8 * width, 3)

    def forward(self, images):
        return self.head(self.norm(self.linear(self.conv(images).flatten(2))).flatten(1))


@pytest.mark.parametrize("width", [8, 6])
def test_a_batch_norm_of_another_axis_is_kept(width):
    model = randomize_(NormOfTokens(width=width)).double()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    folded = trace(model)
    assert fold_batch_norms_(folded) == []
    torch.testing.assert_close(folded(images), model(images))


def test_a_batch_norm_after_a_linear_layer_is_folded():
    class Head(nn.Sequential):
        pass

    model = randomize_(Head(nn.Flatten(), nn.Linear(12, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 2))).double()
    images = torch.randn(4, 3, 2, 2, dtype=torch.float64)
    folded = trace(model)
    assert fold_batch_norms_(folded) == ["1"]
    torch.testing.assert_close(folded(images), model(images))

import pytest
import torch
from torch import nn

from compression.core.counting import (
    count_macs,
    count_nonzero_parameters,
    count_parameters,
    layer_sparsity,
    model_sparsity,
)


def make_net():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    ).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1)
    return net


def test_parameters():
    # 3*8*9 + 8; 8 + 8; 8*9; 8*5 + 5
    assert count_parameters(make_net()) == 224 + 16 + 72 + 45
    assert count_parameters(nn.ReLU()) == 0


def test_nonzero_parameters():
    net = make_net()
    with torch.no_grad():
        net[0].weight[0] = 0
        net[1].bias.fill_(-0.0)
    assert count_nonzero_parameters(net) == 357 - 27 - 8


def test_macs_by_hand():
    # 4x4 outputs of 8x8 images: 16*8*27 and, depthwise, 16*8*9; then 8*5.
    assert count_macs(make_net(), 8) == 3456 + 1152 + 40


def test_macs_count_zeros_and_leave_the_model_alone():
    net = make_net()
    with torch.no_grad():
        net[5].weight.zero_()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert count_macs(net, 8) == 4648
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize(("name", "macs"), [("resnet18", 1_814_073_344), ("mobilenet_v2", 300_774_272)])
def test_macs_of_the_published_networks(name, macs):
    """The figures published with torchvision's weights, 1.814 and 0.301 G at 224 pixels and 1,000 classes."""
    import torchvision

    with torch.device("meta"):
        net = getattr(torchvision.models, name)().eval()
    assert count_macs(net, 224) == macs


def test_sparsity_counts_weights_alone():
    net = make_net()
    with torch.no_grad():
        net[0].weight[:6] = 0
        net[2].weight.zero_()
        net[1].weight.zero_()
        net[0].bias.zero_()
    assert layer_sparsity(net) == {"0.weight": 0.75, "2.weight": 1, "5.weight": 0}
    assert model_sparsity(net) == pytest.approx((162 + 72) / (216 + 72 + 40))


def test_dense_model():
    assert model_sparsity(make_net()) == 0

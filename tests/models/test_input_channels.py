import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.models import imagenet
from compression.models.input_channels import set_input_channels_, sum_over_inputs
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11


def test_the_sum_by_hand():
    weight = torch.tensor([1.0, 2.0, 4.0]).view(1, 3, 1, 1)
    assert sum_over_inputs(weight).tolist() == [[[[7.0]]]]


def test_pretrained_weights_compute_on_grey_what_they_computed_on_three_equal_channels():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2))
    grey = torch.rand(2, 1, 9, 9)
    expected = net(grey.expand(-1, 3, -1, -1))
    set_input_channels_(net, "0", channels=1, pretrained=True)
    assert net[0].in_channels == 1
    assert torch.allclose(net(grey), expected, atol=1e-6)
    assert net[0].weight.requires_grad


def test_random_weights_are_drawn_again_as_large_as_before():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 64, 3, bias=False))
    set_input_channels_(net, "0", channels=1, pretrained=False)
    # Kaiming initialization with fan_out: the variance is 2 / (64 * 9).
    assert net[0].weight.shape == (64, 1, 3, 3)
    assert net[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.1)


def test_three_channels_change_nothing():
    net = nn.Sequential(nn.Conv2d(3, 4, 3))
    weight = net[0].weight
    set_input_channels_(net, "0", channels=3, pretrained=False)
    assert net[0].weight is weight


@pytest.mark.parametrize("channels", [0, 2, 4])
def test_other_numbers_are_refused(channels):
    with pytest.raises(InputError, match=rf"in_channels={channels} is out of range; allowed: 3 \(RGB\), 1 \(grey\)"):
        set_input_channels_(nn.Sequential(nn.Conv2d(3, 4, 3)), "0", channels=channels, pretrained=False)


@pytest.mark.parametrize(
    ("factory", "kwargs"),
    [
        (mobilenet_v2, {"width_mult": 0.25}),
        (mobilenet_v2, {"width_mult": 0.25, "stem": "imagenet"}),
        (resnet18, {"width_mult": 0.125}),
        (resnet18, {"width_mult": 0.125, "stem": "imagenet"}),
        (vgg11, {"width_mult": 0.125}),
        (vgg11, {"width_mult": 0.125, "batch_norm": False}),
    ],
)
def test_every_family_reads_grey_images_and_keeps_its_other_weights(factory, kwargs):
    torch.manual_seed(0)
    colour = factory(num_classes=3, **kwargs)
    torch.manual_seed(0)
    grey = factory(num_classes=3, in_channels=1, **kwargs)
    assert grey.eval()(torch.rand(2, 1, 32, 32)).shape == (2, 3)
    others = [name for name, value in colour.state_dict().items() if not value.equal(grey.state_dict()[name])]
    assert len(others) == 1


def test_imagenet_weights_are_summed(monkeypatch):
    state = resnet18(num_classes=1000, stem="imagenet").state_dict()
    monkeypatch.setattr(imagenet, "_download", lambda _: state)
    net = resnet18(num_classes=2, stem="imagenet", pretrained=True, in_channels=1)
    assert net.conv1.weight.equal(state["conv1.weight"].sum(1, keepdim=True))
    assert net.layer1[0].conv1.weight.equal(state["layer1.0.conv1.weight"])

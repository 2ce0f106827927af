import pytest
import torch
from meta import build_meta, num_weights, resolution
from torch import nn
from torchvision import models

from compression.core.errors import InputError
from compression.models import imagenet
from compression.models.resnet18 import resnet18


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        # torchvision's published count for 1000 classes.
        ({"num_classes": 1000, "stem": "imagenet"}, 11689512),
        # A CIFAR stem shrinks the first kernel from 7x7 to 3x3.
        ({"num_classes": 10}, 11689512 - 990 * 513 - 3 * 64 * (49 - 9)),
        # Half of every width: 3x3 convolutions a quarter of 10,985,472, shortcuts of 172,032, the stem, norms, head.
        ({"num_classes": 10, "width_mult": 0.5}, (10985472 + 172032) // 4 + 3 * 32 * 9 + 4800 + 2570),
    ],
)
def test_number_of_weights(kwargs, expected):
    assert num_weights(resnet18, **kwargs) == expected


def test_stems_keep_more_or_less_of_the_resolution():
    def without_head(model):
        return nn.Sequential(*list(model.children())[:-2])

    assert resolution(without_head(build_meta(resnet18, num_classes=2).eval())) == [4, 4]
    assert resolution(without_head(build_meta(resnet18, num_classes=2, stem="light").eval())) == [2, 2]
    assert resolution(without_head(build_meta(resnet18, num_classes=2, stem="imagenet").eval())) == [1, 1]


def test_imagenet_stem_is_torchvisions_model():
    torch.manual_seed(0)
    ours = resnet18(num_classes=1000, stem="imagenet")
    torch.manual_seed(0)
    theirs = models.resnet18()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_pretrained_keeps_all_but_the_head(monkeypatch):
    state = models.resnet18().state_dict()
    urls = []

    def download(weights):
        urls.append(weights.url)
        return state

    monkeypatch.setattr(imagenet, "_download", download)
    loaded = resnet18(num_classes=3, pretrained=True, stem="imagenet").state_dict()
    assert urls[0].startswith("https://download.pytorch.org/models/")
    for key, value in loaded.items():
        if not key.startswith("fc."):
            assert torch.equal(value, state[key]), key
        else:
            assert value.shape[0] == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"stem": "svhn"}, "model.stem='svhn' is unknown; allowed: cifar, light, imagenet"),
        (
            {"pretrained": True},
            "model.pretrained=true has no weights for the 3x3 stem of model.stem='cifar'; allowed: light, imagenet",
        ),
    ],
)
def test_bad_options_are_named(kwargs, message):
    with pytest.raises(InputError) as caught:
        resnet18(num_classes=2, **kwargs)
    assert str(caught.value) == message


def test_no_class_is_an_error():
    with pytest.raises(InputError, match="num_classes=0 is out of range; allowed: 1 or more"):
        resnet18(num_classes=0)


def test_a_narrow_resnet_has_the_same_initialization():
    torch.manual_seed(0)
    net = resnet18(num_classes=10, width_mult=0.5)
    conv = net.layer4[1].conv1.weight
    assert conv.shape == (256, 256, 3, 3)
    # He initialization by fan out: a standard deviation of sqrt(2 / (256 * 9)).
    assert conv.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)
    assert torch.equal(net.layer4[1].bn1.weight, torch.ones(256))
    assert net.fc.weight.abs().max() <= 1 / 256**0.5
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.mark.parametrize("kwargs", [{"width_mult": 0.0}, {"width_mult": 1.5}])
def test_resnet_refuses_a_width(kwargs):
    with pytest.raises(InputError, match="width_mult"):
        resnet18(num_classes=10, **kwargs)

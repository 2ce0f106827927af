import pytest
import torch
from torch import nn
from torchvision import models

from compression.core.errors import InputError
from compression.models import imagenet
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11


def build_meta(factory, **kwargs):
    with torch.device("meta"):
        return factory(**kwargs)


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def feature_size(model, layers, size=32):
    images = torch.zeros(1, 3, size, size, device="meta")
    return list(layers(model)(images).shape[2:])


@pytest.mark.parametrize(
    ("factory", "kwargs", "expected"),
    [
        # torchvision's published counts for 1000 classes.
        (mobilenet_v2, {"num_classes": 1000, "stem": "imagenet"}, 3504872),
        (resnet18, {"num_classes": 1000, "stem": "imagenet"}, 11689512),
        (vgg11, {"num_classes": 1000, "batch_norm": False, "head": "torchvision"}, 132863336),
        (vgg11, {"num_classes": 1000, "head": "torchvision", "stem": "imagenet"}, 132868840),
        # A CIFAR stem leaves MobileNetV2's weights, and shrinks ResNet's first kernel from 7x7 to 3x3.
        (mobilenet_v2, {"num_classes": 10}, 3504872 - 990 * 1281),
        (resnet18, {"num_classes": 10}, 11689512 - 990 * 513 - 3 * 64 * (49 - 9)),
        (vgg11, {"num_classes": 10}, 9220480 + 2 * 2752 + 513 * 10),
        # Half of every width: 3x3 convolutions a quarter of 10,985,472, shortcuts of 172,032, the stem, norms, head.
        (resnet18, {"num_classes": 10, "width_mult": 0.5}, (10985472 + 172032) // 4 + 3 * 32 * 9 + 4800 + 2570),
        # Convolutions a quarter of 9,216,000, the first, biases and norms of 1,376 channels, head.
        (vgg11, {"num_classes": 10, "width_mult": 0.5}, 9216000 // 4 + 3 * 32 * 9 + 3 * 1376 + 2570),
    ],
)
def test_number_of_weights(factory, kwargs, expected):
    assert count(build_meta(factory, **kwargs)) == expected


def test_cifar_stem_keeps_resolution():
    def mobile(model):
        return model.features

    def res(model):
        return nn.Sequential(*list(model.children())[:-2])

    assert feature_size(build_meta(mobilenet_v2, num_classes=2).eval(), mobile) == [4, 4]
    assert feature_size(build_meta(mobilenet_v2, num_classes=2, stem="imagenet").eval(), mobile) == [1, 1]
    assert feature_size(build_meta(resnet18, num_classes=2).eval(), res) == [4, 4]
    assert feature_size(build_meta(resnet18, num_classes=2, stem="imagenet").eval(), res) == [1, 1]
    assert feature_size(build_meta(vgg11, num_classes=2).eval(), mobile) == [2, 2]
    assert feature_size(build_meta(vgg11, num_classes=2, stem="imagenet").eval(), mobile) == [1, 1]


@pytest.mark.parametrize(
    ("factory", "kwargs"),
    [(mobilenet_v2, {"width_mult": 0.35}), (resnet18, {}), (vgg11, {"batch_norm": False})],
)
def test_logits_are_finite(factory, kwargs):
    model = factory(num_classes=3, **kwargs)
    assert model.training
    logits = model(torch.randn(2, 3, 32, 32))
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()


def test_imagenet_stem_is_torchvisions_model():
    torch.manual_seed(0)
    ours = resnet18(num_classes=1000, stem="imagenet")
    torch.manual_seed(0)
    theirs = models.resnet18()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


@pytest.mark.parametrize("factory", [mobilenet_v2, resnet18, vgg11])
def test_initial_weights_depend_on_the_global_seed_alone(factory):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(factory(num_classes=2).state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert any(not torch.equal(value, states[2][key]) for key, value in states[0].items())


def test_dropout_stands_before_the_last_layer():
    assert build_meta(mobilenet_v2, num_classes=2, dropout=0.25).classifier[0].p == 0.25
    assert build_meta(vgg11, num_classes=2, dropout=0.25).dropout.p == 0.25


@pytest.mark.parametrize(
    ("factory", "published", "kwargs", "head"),
    [
        (mobilenet_v2, lambda: models.mobilenet_v2(), {"stem": "cifar"}, ("classifier.",)),
        (resnet18, lambda: models.resnet18(), {"stem": "imagenet"}, ("fc.",)),
        (vgg11, lambda: models.vgg11_bn(), {"stem": "cifar"}, ("classifier.",)),
    ],
)
def test_pretrained_keeps_all_but_the_head(monkeypatch, factory, published, kwargs, head):
    state = published().state_dict()
    urls = []

    def download(weights):
        urls.append(weights.url)
        return state

    monkeypatch.setattr(imagenet, "_download", download)
    loaded = factory(num_classes=3, pretrained=True, **kwargs).state_dict()
    assert urls[0].startswith("https://download.pytorch.org/models/")
    for key, value in loaded.items():
        if not key.startswith(head):
            assert torch.equal(value, state[key]), key
        else:
            assert value.shape[0] == 3


def test_pretrained_torchvision_head_keeps_two_of_three_layers(monkeypatch):
    with torch.device("meta"):
        state = models.vgg11().state_dict()
    monkeypatch.setattr(imagenet, "_download", lambda _: state)
    with torch.device("meta"):
        net = vgg11(num_classes=3, batch_norm=False, head="torchvision", pretrained=True)
    assert net.classifier[3].out_features == 4096
    assert net.classifier[6].out_features == 3


def test_failed_download_is_one_line(monkeypatch):
    def fail(_, **kwargs):
        assert kwargs["check_hash"]
        assert kwargs["weights_only"]
        raise OSError("no route\nto host")

    monkeypatch.setattr(models.ResNet18_Weights, "get_state_dict", fail)
    with pytest.raises(InputError) as caught:
        resnet18(num_classes=2, stem="imagenet", pretrained=True)
    assert str(caught.value) == (
        "model.pretrained=true: https://download.pytorch.org/models/resnet18-f37072fd.pth could not be "
        "downloaded (no route); allowed: a working connection, or model.weights=FILE"
    )


@pytest.mark.parametrize(
    ("factory", "kwargs", "message"),
    [
        (resnet18, {"stem": "svhn"}, "model.stem='svhn' is unknown; allowed: cifar, imagenet"),
        (vgg11, {"head": "big"}, "model.head='big' is unknown; allowed: compact, torchvision"),
        (vgg11, {"dropout": 1.0}, "model.dropout=1.0 is out of range; allowed: 0 <= dropout < 1"),
        (
            mobilenet_v2,
            {"width_mult": 0.0},
            "model.width_mult=0.0 is out of range; allowed: 0 < width_mult <= 16",
        ),
        (
            mobilenet_v2,
            {"width_mult": 0.5, "pretrained": True},
            "model.pretrained=true has no weights for width_mult=0.5; allowed: 1.0",
        ),
        (
            resnet18,
            {"pretrained": True},
            "model.pretrained=true has no weights for the 3x3 stem of model.stem='cifar'; allowed: imagenet",
        ),
    ],
)
def test_bad_options_are_named(factory, kwargs, message):
    with pytest.raises(InputError) as caught:
        factory(num_classes=2, **kwargs)
    assert str(caught.value) == message


def test_no_class_is_an_error():
    with pytest.raises(InputError, match="num_classes=0 is out of range; allowed: 1 or more"):
        resnet18(num_classes=0)


def test_a_narrow_resnet_starts_as_a_wide_one_does():
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

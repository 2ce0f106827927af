import pytest
import torch
from meta import build_meta, num_weights, resolution
from torch import nn
from torchvision import models
from torchvision.models.vgg import cfgs, make_layers

from compression.core.errors import InputError
from compression.models import imagenet
from compression.models.vgg11 import vgg11


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        # torchvision's published counts for 1000 classes.
        ({"num_classes": 1000, "batch_norm": False, "head": "torchvision"}, 132863336),
        ({"num_classes": 1000, "head": "torchvision", "stem": "imagenet"}, 132868840),
        ({"num_classes": 10}, 9220480 + 2 * 2752 + 513 * 10),
        # Half of every width: convolutions a quarter of 9,216,000, the first, biases and norms of 1,376 channels, head.
        ({"num_classes": 10, "width_mult": 0.5}, 9216000 // 4 + 3 * 32 * 9 + 3 * 1376 + 2570),
    ],
)
def test_number_of_weights(kwargs, expected):
    assert num_weights(vgg11, **kwargs) == expected


def test_cifar_stem_keeps_resolution():
    assert resolution(build_meta(vgg11, num_classes=2).eval().features) == [2, 2]
    assert resolution(build_meta(vgg11, num_classes=2, stem="imagenet").eval().features) == [1, 1]


def test_dropout_stands_before_the_last_layer():
    assert build_meta(vgg11, num_classes=2, dropout=0.25).dropout.p == 0.25


def test_pretrained_keeps_all_but_the_head(monkeypatch):
    # The three layers of the published head, 120 million weights, are not loaded.
    features = make_layers(cfgs["A"], batch_norm=True)
    state = nn.ModuleDict({"features": features, "classifier": nn.Linear(2, 1000)}).state_dict()
    urls = []

    def download(weights):
        urls.append(weights.url)
        return state

    monkeypatch.setattr(imagenet, "_download", download)
    loaded = vgg11(num_classes=3, pretrained=True, stem="cifar").state_dict()
    assert urls[0].startswith("https://download.pytorch.org/models/")
    for key, value in loaded.items():
        if not key.startswith("classifier."):
            assert torch.equal(value, state[key]), key
        else:
            assert value.shape[0] == 3


def test_pretrained_torchvision_head_keeps_two_of_three_layers(monkeypatch):
    state = build_meta(models.vgg11).state_dict()
    monkeypatch.setattr(imagenet, "_download", lambda _: state)
    net = build_meta(vgg11, num_classes=3, batch_norm=False, head="torchvision", pretrained=True)
    assert net.classifier[3].out_features == 4096
    assert net.classifier[6].out_features == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"head": "big"}, "model.head='big' is unknown; allowed: compact, torchvision"),
        ({"dropout": 1.0}, "model.dropout=1.0 is out of range; allowed: 0 <= dropout < 1"),
    ],
)
def test_bad_options_are_named(kwargs, message):
    with pytest.raises(InputError) as caught:
        vgg11(num_classes=2, **kwargs)
    assert str(caught.value) == message

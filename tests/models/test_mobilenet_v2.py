import pytest
import torch
from meta import build_meta, num_weights, resolution
from torchvision import models

from compression.core.errors import InputError
from compression.models import imagenet
from compression.models.mobilenet_v2 import mobilenet_v2


@pytest.mark.parametrize(
    ("kwargs", "expected"),
    [
        # torchvision's published count for 1000 classes.
        ({"num_classes": 1000, "stem": "imagenet"}, 3504872),
        # A CIFAR stem leaves the weights as they are.
        ({"num_classes": 10}, 3504872 - 990 * 1281),
    ],
)
def test_number_of_weights(kwargs, expected):
    assert num_weights(mobilenet_v2, **kwargs) == expected


def test_stems_keep_more_or_less_of_the_resolution():
    assert resolution(build_meta(mobilenet_v2, num_classes=2).eval().features) == [4, 4]
    assert resolution(build_meta(mobilenet_v2, num_classes=2, stem="light").eval().features) == [2, 2]
    assert resolution(build_meta(mobilenet_v2, num_classes=2, stem="imagenet").eval().features) == [1, 1]


def test_dropout_stands_before_the_last_layer():
    assert build_meta(mobilenet_v2, num_classes=2, dropout=0.25).classifier[0].p == 0.25


def test_pretrained_keeps_all_but_the_head(monkeypatch):
    state = models.mobilenet_v2().state_dict()
    urls = []

    def download(weights):
        urls.append(weights.url)
        return state

    monkeypatch.setattr(imagenet, "_download", download)
    loaded = mobilenet_v2(num_classes=3, pretrained=True, stem="cifar").state_dict()
    assert urls[0].startswith("https://download.pytorch.org/models/")
    for key, value in loaded.items():
        if not key.startswith("classifier."):
            assert torch.equal(value, state[key]), key
        else:
            assert value.shape[0] == 3


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"width_mult": 0.0}, "model.width_mult=0.0 is out of range; allowed: 0 < width_mult <= 16"),
        (
            {"width_mult": 0.5, "pretrained": True},
            "model.pretrained=true has no weights for width_mult=0.5; allowed: 1.0",
        ),
    ],
)
def test_bad_options_are_named(kwargs, message):
    with pytest.raises(InputError) as caught:
        mobilenet_v2(num_classes=2, **kwargs)
    assert str(caught.value) == message

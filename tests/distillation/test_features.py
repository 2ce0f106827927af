"""Tests of the choice of layers to compare and of the capture of their outputs."""

import copy

import pytest
import torch
from tiny_net import TinyNet
from torch import nn

from compression.core.errors import InputError
from compression.distillation.features import (
    FeatureTap,
    check_layers,
    choose_attention_layers,
    choose_hint_layers,
    feature_shapes,
)
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18

EXAMPLE = torch.zeros(2, 3, 32, 32)


def test_shapes_in_the_order_the_layers_end():
    shapes = feature_shapes(TinyNet(num_classes=10), EXAMPLE)
    assert list(shapes) == [*(f"features.{k}" for k in range(6)), "features"]
    assert shapes["features.2"] == (2, 8, 8, 8)
    assert shapes["features"] == (2, 16, 4, 4)


def test_last_layer_of_each_resolution_matched_from_the_end():
    teacher = feature_shapes(resnet18(num_classes=10, stem="cifar"), EXAMPLE)
    assert choose_attention_layers(teacher, teacher) == [
        (name, name) for name in ("layer1", "layer2", "layer3", "layer4")
    ]
    student = feature_shapes(TinyNet(num_classes=10), EXAMPLE)
    assert choose_attention_layers(student, teacher) == [("features.2", "layer3"), ("features", "layer4")]


def test_hint_is_the_last_map_that_has_positions():
    small, large = (feature_shapes(net(num_classes=10, stem="imagenet"), EXAMPLE) for net in (mobilenet_v2, resnet18))
    # At 32 pixels both end at a single position.
    assert large["layer4"][2:] == small["features"][2:] == (1, 1)
    [(mine, its)] = choose_hint_layers(small, large)
    assert its == "layer3"
    assert small[mine][2:] == (2, 2)
    single = {"only": (2, 8, 1, 1)}
    assert choose_hint_layers(single, large) == [("only", "layer3")]
    assert choose_attention_layers(single, large) == []
    assert choose_hint_layers({}, large) == []


def test_a_tap_records_the_last_run_and_leaves_no_hook():
    net = TinyNet(num_classes=10).eval()
    tap = FeatureTap(net, ["features.0", "features"])
    net(torch.ones_like(EXAMPLE))
    net(EXAMPLE)
    first, last = tap.take()
    assert first.shape == (2, 8, 8, 8)
    assert torch.equal(first, net.features[0](EXAMPLE))
    assert last.shape == (2, 16, 4, 4)
    tap.remove()
    assert not any(module._forward_hooks for module in net.modules())


def test_a_tapped_model_can_be_copied_during_training():
    net = TinyNet(num_classes=10)
    tap = FeatureTap(net, ["features"])
    net(EXAMPLE)
    copy.deepcopy(net)
    [caught] = tap.take()
    assert caught.requires_grad


def test_unknown_layers_are_named():
    shapes = feature_shapes(TinyNet(num_classes=10), EXAMPLE)
    check_layers(["features.2"], shapes, key="distillation.feature.student_layers", model="tiny_net.TinyNet")
    for name in ("layer1", "classifier", "dropout"):
        with pytest.raises(InputError) as caught:
            check_layers([name], shapes, key="distillation.feature.student_layers", model="tiny_net.TinyNet")
        assert str(caught.value) == (
            f"distillation.feature.student_layers={name}: gives no feature map [B, C, H, W] in tiny_net.TinyNet; "
            "the last of each resolution: features.2, features"
        )


def test_a_network_without_feature_maps_has_none():
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    assert feature_shapes(net, EXAMPLE) == {}


def test_what_attention_computes_is_no_feature_map():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.scores, self.out = nn.Identity(), nn.Linear(8, 8)

        def forward(self, tokens):
            return self.out(self.scores(torch.einsum("bnc,bmc->bnm", tokens, tokens)[:, None]).squeeze(1) @ tokens)

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.attention, self.head = nn.Conv2d(3, 8, 8, 8), Attention(), nn.Linear(8, 3)

        def forward(self, images):
            return self.head(self.attention(self.patches(images).flatten(2).transpose(1, 2)).mean(1))

    assert feature_shapes(Transformer(), EXAMPLE) == {"patches": (2, 8, 4, 4)}


def test_maps_with_channels_last_and_windows_are_not_chosen():
    class Windows(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches, self.norm, self.window = nn.Conv2d(3, 8, 8, 8), nn.LayerNorm(8), nn.Identity()

        def forward(self, images):
            maps = self.norm(self.patches(images).permute(0, 2, 3, 1))
            return self.window(maps.unfold(1, 2, 2).unfold(2, 2, 2).flatten(0, 2)).flatten(1).mean(1).view(2, -1)

    shapes = feature_shapes(Windows(), EXAMPLE)
    assert list(shapes) == ["patches", "norm"]
    assert choose_hint_layers(shapes, shapes) == [("patches", "patches")]
    assert choose_attention_layers(shapes, shapes) == [("patches", "patches")]

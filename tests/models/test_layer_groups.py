"""Tests that every group matches layers of its family and that every layer is in a group."""

import importlib
from fnmatch import fnmatchcase

import pytest
from meta import build_meta
from runs import ROOT

from compression.core.selection import prunable_weights
from compression.models.layer_groups import layer_groups


def groups_of(target, **kwargs):
    """Return the layers whose first match is each group, and under ``None`` the layers without a match."""
    module, _, name = target.rpartition(".")
    model = build_meta(getattr(importlib.import_module(module), name), num_classes=3, **kwargs)
    found = {group: [] for group in layer_groups(target)} | {None: []}
    for weight in prunable_weights(model):
        layer = weight.removesuffix(".weight")
        patterns = layer_groups(target).items()
        first = next((group for group, names in patterns if any(fnmatchcase(layer, one) for one in names)), None)
        found[first].append(layer)
    return found


@pytest.mark.parametrize(
    ("family", "kwargs", "sizes"),
    [
        # Torchvision builds blocks of three convolutions; the first block has two.
        (
            "mobilenet_v2.mobilenet_v2",
            {},
            {"first_conv": 1, "inverted_residual": 50, "final_conv": 1, "classifier": 1},
        ),
        ("resnet18.resnet18", {}, {"first_conv": 1, "residual": 16, "shortcut": 3, "classifier": 1}),
        ("vgg11.vgg11", {}, {"first_conv": 1, "features": 7, "classifier": 1}),
        ("vgg11.vgg11", {"head": "torchvision"}, {"first_conv": 1, "features": 7, "classifier": 3}),
    ],
    ids=["mobilenet_v2", "resnet18", "vgg11", "vgg11 of torchvision"],
)
def test_every_layer_of_a_family_is_in_a_group(family, kwargs, sizes):
    found = groups_of(f"compression.models.{family}", **kwargs)
    assert found.pop(None) == []
    assert {group: len(layers) for group, layers in found.items()} == sizes


@pytest.mark.parametrize("family", ["mobilenet_v2", "resnet18", "vgg11"])
def test_the_yaml_names_every_group(family):
    text = (ROOT / "conf" / "quantization" / "base" / "rounding.yaml").read_text()
    (line,) = (line for line in text.splitlines() if line.startswith(f"#   {family}: "))
    groups = layer_groups(f"compression.models.{family}.{family}")
    assert [part.split()[0] for part in line.partition(": ")[2].split(", ")] == list(groups)


def test_other_models_have_no_groups():
    assert layer_groups("compression.models.timm_model.timm_model") == {}
    assert layer_groups("my_nets.Net") == {}

"""Contract of the families of built-in models."""

import pytest
import torch

from compression.core.shared_tensors import find_aliases
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.network_traits import NetworkTraits, find_traits
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11


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


@pytest.mark.parametrize("factory", [mobilenet_v2, resnet18, vgg11])
def test_initial_weights_depend_only_on_the_global_seed(factory):
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(factory(num_classes=2).state_dict())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())
    assert any(not torch.equal(value, states[2][key]) for key, value in states[0].items())


@pytest.mark.parametrize("factory", [mobilenet_v2, resnet18, vgg11])
def test_a_family_needs_no_adapting(factory):
    """The first check of a run leaves these families out, because they have neither idle nor shared weights."""
    model = factory(num_classes=3)
    assert find_aliases(model) == {}
    assert find_traits(model, torch.zeros(2, 3, 32, 32)) == NetworkTraits()

import pytest
import torch
from torch import nn
from user_nets import AuxiliaryLogits, InfiniteLoss, Lazy, TupleOutput, Unused, Views

from compression.core.adapted_network import adapt_, is_contiguous_only
from compression.core.selection import prunable_weights
from compression.models.network_traits import (
    NetworkTraits,
    accepts_channels_last,
    find_lazy,
    find_traits,
    settle_shapes_,
)

EXAMPLE = torch.zeros(2, 3, 32, 32)


@pytest.mark.parametrize(
    ("network", "traits"),
    [
        (Views, NetworkTraits(contiguous=True)),
        (Unused, NetworkTraits(idle=("spare.weight",))),
        (AuxiliaryLogits, NetworkTraits(idle=("aux.weight",))),
        (TupleOutput, NetworkTraits()),
        (InfiniteLoss, NetworkTraits()),
    ],
)
def test_a_run_shows_memory_format_and_idle_weights(network, traits):
    model = network(num_classes=3)
    adapt_(model)
    before = torch.random.get_rng_state()
    assert find_traits(model, EXAMPLE) == traits
    assert torch.equal(torch.random.get_rng_state(), before)


def test_attention_uses_the_weights_of_layers_that_it_does_not_call():
    class Attends(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.head = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 2)

        def forward(self, images):
            x = images[:, :1, :4, :4].flatten(1, 2)
            return self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))

    assert find_traits(Attends(), EXAMPLE).idle == ()


def test_a_network_that_fails_in_any_format_has_no_traits():
    assert find_traits(nn.Linear(5, 2), EXAMPLE) == NetworkTraits()
    assert accepts_channels_last(nn.Linear(5, 2), EXAMPLE)


def test_traits_are_applied():
    model = Unused(num_classes=3)
    NetworkTraits(contiguous=True, idle=("spare.weight", "gone.weight")).apply_(model)
    assert is_contiguous_only(model)
    assert list(prunable_weights(model)) == ["conv1.weight", "conv2.weight", "head.weight"]
    assert NetworkTraits(idle=("a",)).to_json() == {"contiguous": False, "idle": ("a",)}


def test_only_some_networks_accept_channels_last():
    assert not accepts_channels_last(Views(num_classes=3), EXAMPLE)
    assert accepts_channels_last(Unused(num_classes=3), EXAMPLE)


def test_lazy_layers_get_their_shapes():
    model = Lazy(num_classes=3)
    assert find_lazy(model) == ["head.weight", "head.bias"]
    settle_shapes_(model, EXAMPLE)
    assert model.training
    assert model.head.weight.shape == (3, 64)
    assert find_lazy(model) == []


def test_layers_that_do_not_run_stay_lazy():
    model = nn.Sequential(nn.Linear(5, 2), nn.LazyLinear(2))
    settle_shapes_(model, EXAMPLE)
    assert find_lazy(model) == ["1.weight", "1.bias"]

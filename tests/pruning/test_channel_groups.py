"""Tests of coupled channels on small networks built by hand."""

from unittest.mock import Mock

import pytest
import torch
import torchvision
from contract_net import EXAMPLE, make_net
from torch import nn

from compression.core.errors import InputError
from compression.pruning.channel_groups import find_channel_groups


class Net(nn.Module):
    """A network of named layers and a function that runs them."""

    def __init__(self, run, **layers):
        super().__init__()
        self.run = run
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.run(self, x)


def conv(num_inputs, num_outputs, **options):
    return nn.Conv2d(num_inputs, num_outputs, 3, padding=1, **options)


def pool(x):
    return x.mean((2, 3))


def found(model):
    """Return by group: its size, then (parameter, dimension, channel of every index) of all couplings."""
    return {
        group.name: (group.num_channels, {(c.parameter, c.dim): c.channel.tolist() for c in group.couplings})
        for group in find_channel_groups(model, EXAMPLE)
    }


def test_plain_chain():
    model = nn.Sequential(
        conv(3, 2), nn.BatchNorm2d(2), nn.ReLU(), conv(2, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(3, 5),
    )  # fmt: skip
    first, second = find_channel_groups(model, EXAMPLE)
    assert (first.name, first.num_channels) == ("0", 2)
    assert [c.parameter for c in first.outputs] == ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert [(c.parameter, c.dim) for c in first.inputs] == [("3.weight", 1)]
    assert all(c.channel.tolist() == [0, 1] for c in first.couplings)
    assert found(model)["3"] == (3, {("3.weight", 0): [0, 1, 2], ("6.weight", 1): [0, 1, 2]})
    assert second.name == "3"


def test_a_sum_couples_its_terms():
    model = Net(
        lambda net, x: net.head(pool(net.after(net.first(x) + net.outer(net.inner(net.first(x)))))),
        first=conv(3, 2, bias=False), inner=conv(2, 4, bias=False), outer=conv(4, 2, bias=False),
        after=conv(2, 3, bias=False), head=nn.Linear(3, 5),
    )  # fmt: skip
    groups = found(model)
    assert list(groups) == ["first", "inner", "after"]
    assert groups["first"][0] == 2
    assert set(groups["first"][1]) == {
        ("first.weight", 0), ("outer.weight", 0), ("inner.weight", 1), ("after.weight", 1)
    }  # fmt: skip
    assert set(groups["inner"][1]) == {("inner.weight", 0), ("outer.weight", 1)}


def test_a_depthwise_convolution_couples_input_and_output():
    model = nn.Sequential(
        conv(3, 4, bias=False), conv(4, 4, groups=4), nn.BatchNorm2d(4), conv(4, 2), nn.Flatten(), nn.Linear(128, 5)
    )
    first = find_channel_groups(model, EXAMPLE)[0]
    assert [(c.parameter, c.dim) for c in first.outputs] == [
        ("0.weight", 0), ("1.weight", 0), ("1.bias", 0), ("2.weight", 0), ("2.bias", 0)
    ]  # fmt: skip
    assert [(c.parameter, c.dim) for c in first.inputs] == [("3.weight", 1)]


def test_a_concatenation_keeps_the_order_of_channels():
    """As in DenseNet, a later layer and its batch norm read the channels of all earlier layers."""
    model = Net(
        lambda net, x: net.head(pool(net.last(net.norm(torch.cat([net.a(x), net.b(net.a(x))], 1))))),
        a=conv(3, 2, bias=False), b=conv(2, 3, bias=False), norm=nn.BatchNorm2d(5), last=conv(5, 2),
        head=nn.Linear(2, 4),
    )  # fmt: skip
    groups = found(model)
    assert groups["a"] == (2, {
        ("a.weight", 0): [0, 1], ("b.weight", 1): [0, 1], ("norm.weight", 0): [0, 1, -1, -1, -1],
        ("norm.bias", 0): [0, 1, -1, -1, -1], ("last.weight", 1): [0, 1, -1, -1, -1],
    })  # fmt: skip
    assert groups["b"][1]["last.weight", 1] == groups["b"][1]["norm.weight", 0] == [-1, -1, 0, 1, 2]


def test_a_tensor_concatenated_twice_is_read_twice():
    model = Net(
        lambda net, x: net.head(pool(net.b(torch.cat([net.a(x)] * 2, 1)))),
        a=conv(3, 2), b=conv(4, 2), head=nn.Linear(2, 4),
    )  # fmt: skip
    assert found(model)["a"][1]["b.weight", 1] == [0, 1, 0, 1]


def test_in_a_sum_with_a_concatenation_layers_make_part_of_the_channels():
    model = Net(
        lambda net, x: net.head(pool(torch.cat([net.a(x), net.b(x)], 1) + net.c(x))),
        a=conv(3, 2, bias=False), b=conv(3, 2, bias=False), c=conv(3, 4, bias=False), head=nn.Linear(4, 4),
    )  # fmt: skip
    assert found(model) == {"c": (4, {
        ("a.weight", 0): [0, 1], ("b.weight", 0): [2, 3], ("c.weight", 0): [0, 1, 2, 3],
        ("head.weight", 1): [0, 1, 2, 3],
    })}  # fmt: skip


def test_a_flattened_channel_is_read_at_every_position():
    model = nn.Sequential(conv(3, 2), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(8, 5))
    assert found(model)["0"][1]["3.weight", 1] == [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("groups", [2, 4])
def test_channels_around_a_grouped_convolution_are_left_out(groups):
    """This includes a grouped convolution that makes several channels from each input channel."""
    model = nn.Sequential(
        conv(3, 4), nn.ReLU(), conv(4, 8, groups=groups), conv(8, 6), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 5),
    )  # fmt: skip
    assert list(found(model)) == ["3"]


HEADS = {
    "linear": Net(lambda net, x: net.head(pool(net.a(x))), a=conv(3, 4), head=nn.Linear(4, 5)),
    "convolution": Net(lambda net, x: pool(net.head(net.a(x))), a=conv(3, 4), head=conv(4, 5)),
    "sum": Net(lambda net, x: net.one(pool(net.a(x))) + net.head(pool(net.a(x))), a=conv(3, 4), one=nn.Linear(4, 5),
               head=nn.Linear(4, 5)),
    "defined first": Net(lambda net, x: net.head(pool(net.a(x))), head=nn.Linear(4, 5), a=conv(3, 4)),
    "several": Net(lambda net, x: torch.cat([layer(pool(net.a(x))) for layer in (net.b, net.c, net.d)], 1) * 2,
                   a=conv(3, 4), b=nn.Linear(4, 2), c=nn.Linear(4, 2), d=nn.Linear(4, 2)),
}  # fmt: skip


@pytest.mark.parametrize("model", HEADS.values(), ids=HEADS)
def test_logits_are_never_in_a_group(model):
    assert list(found(model)) == ["a"]


@pytest.mark.parametrize(
    ("layer", "kind"),
    [(nn.GroupNorm(2, 4), "GroupNorm"), (nn.GroupNorm(2, 4, affine=False), "GroupNorm"), (nn.PReLU(4), "PReLU"),
     (nn.LayerNorm([4, 8, 8]), "LayerNorm"), (nn.LocalResponseNorm(2), "LocalResponseNorm"),
     (nn.ConvTranspose2d(4, 4, 1), "ConvTranspose2d"), (nn.ChannelShuffle(2), "ChannelShuffle")],
)  # fmt: skip
def test_a_layer_that_prevents_safe_removal_is_named(layer, kind):
    model = nn.Sequential(conv(3, 4), nn.Sequential(layer), conv(4, 2))
    with pytest.raises(InputError) as caught:
        find_channel_groups(model, EXAMPLE)
    assert str(caught.value) == (
        f"channels of this model cannot be removed safely: 1.0 is a {kind}; "
        "allowed: convolutions, linear layers and batch norm"
    )


def test_a_parameter_of_the_model_itself_is_refused():
    model = Net(lambda net, x: pool(net.a(x)) * net.scale, a=conv(3, 4))
    model.scale = nn.Parameter(torch.ones(4))
    with pytest.raises(InputError, match="safely: the model itself is a Net; allowed"):
        find_channel_groups(model, EXAMPLE)


@pytest.mark.parametrize(
    ("model", "layers"),
    [(torchvision.models.shufflenet_v2_x0_5(num_classes=4),
      "stage2.0.branch2.5, stage2.1.branch2.5, stage2.2.branch2.5 and 13 more"),
     (nn.Sequential(conv(3, 8), nn.PixelShuffle(2), conv(2, 4)), "0")],
    ids=["shuffle", "pixel shuffle"],
)  # fmt: skip
def test_channels_that_are_shuffled_are_refused(model, layers):
    with pytest.raises(InputError) as caught:
        find_channel_groups(model, torch.zeros(1, 3, 32, 32))
    assert str(caught.value) == (
        "channels of this model cannot be traced from layer to layer: it reshapes or shuffles them after layer "
        f"{layers}; only its single weights can be pruned, as with strategy=iterative_l1"
    )


def test_channels_that_cannot_be_traced_are_refused(monkeypatch):
    fail = Mock(side_effect=KeyError("no such node"))
    monkeypatch.setattr("compression.pruning.channel_groups.build_dependency_graph", fail)
    with pytest.raises(InputError) as caught:
        find_channel_groups(make_net(), EXAMPLE)
    assert str(caught.value) == "channels of this model cannot be traced from layer to layer: 'no such node'"


def test_the_model_is_left_as_it_is():
    model = make_net()
    model.inner.eval()
    model.stem.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]
    random_state = torch.get_rng_state()
    assert [group.name for group in find_channel_groups(model, EXAMPLE)] == [
        "stem.0",
        "inner.0",
        "separable.0",
        "pointwise",
    ]
    assert flags == ([m.training for m in model.modules()], [p.requires_grad for p in model.parameters()])
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(random_state, torch.get_rng_state())
    assert not any(m._forward_hooks for m in model.modules())

"""Costs of single weights, by hand."""

import torch
from torch import nn
from torch.nn.utils import parametrizations

from compression.core.counting import layer_macs
from compression.pruning.weight_costs import weight_costs

EXAMPLE = torch.zeros(2, 3, 8, 8)


class Net(nn.Module):
    """A strided convolution, a depthwise one that runs twice, an idle layer, and two heads that share a weight."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.depthwise = nn.Conv2d(4, 4, 3, padding=1, groups=4)
        self.idle = nn.Linear(4, 4)
        self.head, self.other = nn.Linear(4, 5), nn.Linear(4, 5)
        self.other.weight = self.head.weight

    def forward(self, images):
        x = self.depthwise(self.depthwise(self.stem(images))).mean((2, 3))
        return self.head(x) + self.other(x)


def test_a_weight_costs_a_mac_per_output_position():
    """The first layers have 4x4 output positions; the depthwise one runs twice, and the heads share one weight."""
    found = weight_costs(Net(), EXAMPLE, target="macs")
    assert found == {"stem.weight": 16, "depthwise.weight": 32, "idle.weight": 0, "head.weight": 2}


def test_the_costs_of_all_weights_are_the_macs_of_the_model():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 1, groups=2), nn.Flatten(), nn.Linear(288, 7))
    costs = weight_costs(net, EXAMPLE, target="macs")
    assert costs == {"0.weight": 36, "1.weight": 36, "3.weight": 1}
    sizes = {name: weight.numel() for name, weight in net.named_parameters() if name in costs}
    assert {name: costs[name] * sizes[name] for name in costs} == layer_macs(net, EXAMPLE)


def test_a_cost_per_layer_is_given_the_layer_and_its_output_positions():
    """The depthwise layer runs twice on 4x4 positions, and the heads share one weight."""

    def cost(layer, positions):
        return 1000 * getattr(layer, "groups", 0) + positions

    found = weight_costs(Net(), EXAMPLE, target="latency", layer_cost=cost)
    assert found == {"stem.weight": 1016, "depthwise.weight": 4032, "idle.weight": 0, "head.weight": 2}


def test_every_weight_counts_one():
    assert weight_costs(Net(), EXAMPLE, target="weights") == {
        "stem.weight": 1,
        "depthwise.weight": 1,
        "idle.weight": 1,
        "head.weight": 1,
    }


def test_a_weight_that_is_computed_at_each_use_has_no_cost():
    net = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)), nn.Linear(2, 2))
    assert weight_costs(net, torch.zeros(1, 3), target="macs") == {"1.weight": 1}


def test_a_layer_that_is_the_whole_model():
    assert weight_costs(nn.Linear(3, 2), torch.zeros(2, 3), target="macs") == {"weight": 1}

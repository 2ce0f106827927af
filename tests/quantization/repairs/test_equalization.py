import copy

import pytest
import torch
from rounding_nets import ResidualNet, depthwise_net, fold, randomize_
from torch import nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.repairs.equalization import by_input_channel, equalize_, pair_scale


def linear_pair(first, second, bias=None, clamp=nn.ReLU):
    net = nn.Sequential(
        nn.Linear(len(first[0]), len(first), bias=bias is not None), clamp(), nn.Linear(len(first), len(second), False)
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor(first))
        net[2].weight.copy_(torch.tensor(second))
        if bias is not None:
            net[0].bias.copy_(torch.tensor(bias))
    return trace(net)


def ranges(graph, first, second):
    first, second = graph.get_submodule(first), graph.get_submodule(second)
    inputs = by_input_channel(second.weight, groups=getattr(second, "groups", 1))
    return first.weight.flatten(1).abs().amax(1), inputs.abs().amax(1)


def test_a_pair_by_hand():
    # Channel 0: r1 = 8, r2 = 2, s = sqrt(16) / 2 = 2. Channel 1: r1 = 1, r2 = 4, s = 2 / 4.
    graph = linear_pair([[8.0, -4.0], [1.0, 0.0]], [[2.0, 4.0], [1.0, -1.0]], bias=[6.0, 3.0])
    result = equalize_(graph)
    assert result.pairs == [("0", "2")]
    assert not result.unclamped
    assert not result.skipped
    assert graph.get_submodule("0").weight.tolist() == [[4.0, -2.0], [2.0, 0.0]]
    assert graph.get_submodule("0").bias.tolist() == [3.0, 6.0]
    assert graph.get_submodule("2").weight.tolist() == [[4.0, 2.0], [2.0, -0.5]]


def test_channels_without_weights_on_one_side_do_not_change():
    graph = linear_pair([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]], [[3.0, 0.0, 1.0]], bias=[1.0, 1.0, 3.0])
    equalize_(graph)
    assert graph.get_submodule("0").weight.tolist() == [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0]]
    assert graph.get_submodule("0").bias.tolist() == [1.0, 1.0, 1.0]
    assert graph.get_submodule("2").weight.tolist() == [[3.0, 0.0, 3.0]]


def test_rows_by_input_channel_of_a_grouped_convolution():
    # Two groups of two inputs and one output: inputs 0 and 1 are read by row 0, inputs 2 and 3 by row 1.
    weight = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[:, :, None, None]
    assert by_input_channel(weight, groups=2).tolist() == [[1.0], [2.0], [3.0], [4.0]]
    assert by_input_channel(weight, groups=1).tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_scale_of_a_pair():
    scale = pair_scale(torch.tensor([[8.0, -1.0], [0.0, 0.0], [1.0, 0.0]]), torch.tensor([[-2.0], [5.0], [0.0]]))
    assert scale.tolist() == [2.0, 1.0, 1.0]


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3, groups=2, bias=False)
        self.third = nn.Conv2d(6, 12, 1, groups=6)

    def forward(self, x):
        return self.third(self.second(torch.relu(self.first(x))).relu())


def three_linear():
    return nn.Sequential(nn.Linear(3, 7), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2))


@pytest.mark.parametrize(
    ("make", "axes", "pairs"),
    [
        (ResidualNet, 2, [("first", "second"), ("hidden", "head")]),
        (depthwise_net, 2, [("0", "2"), ("2", "4")]),
        (Grouped, 2, [("first", "second"), ("second", "third")]),
        (three_linear, 0, [("0", "1"), ("1", "3")]),
        (lambda: nn.Sequential(nn.Conv1d(3, 7, 3), nn.ReLU(), nn.Conv1d(7, 5, 1)), 1, [("0", "2")]),
    ],
)
def test_the_function_stays_and_ranges_become_equal(make, axes, pairs):
    graph = fold(randomize_(make())).double()
    images = torch.randn(4, 3, *[9] * axes, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    before = graph(images)
    uneven = max((r1 / r2).log().abs().max() for r1, r2 in (ranges(graph, *pair) for pair in pairs))
    result = equalize_(graph)
    assert result.pairs == pairs
    torch.testing.assert_close(graph(images), before, rtol=1e-12, atol=1e-12)
    assert uneven > 0.5
    for pair in pairs:
        torch.testing.assert_close(*ranges(graph, *pair), rtol=1e-3, atol=0)


def test_relu6_is_skipped_unless_it_may_be_replaced():
    graph = fold(randomize_(depthwise_net(nn.ReLU6))).double()
    before = {name: tensor.clone() for name, tensor in graph.state_dict().items()}
    result = equalize_(graph)
    assert not result.pairs
    assert not result.unclamped
    assert result.skipped == [(*pair, "there is a ReLU6 between them") for pair in (("0", "2"), ("2", "4"))]
    torch.testing.assert_close(dict(graph.state_dict()), before, rtol=0, atol=0)

    unclamped = copy.deepcopy(graph)
    unclamped.set_submodule("1", nn.ReLU())
    unclamped.set_submodule("3", nn.ReLU())
    images = torch.randn(2, 3, 5, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 20
    assert not torch.allclose(unclamped(images), graph(images))
    result = equalize_(graph, relu6="replace")
    assert result.pairs == [("0", "2"), ("2", "4")]
    assert result.unclamped == ["_1", "_3"]
    assert {node.name for node in graph.graph.nodes} >= set(result.unclamped)
    torch.testing.assert_close(graph(images), unclamped(images), rtol=1e-12, atol=1e-12)


class Shared(nn.Module):
    """A network with obstacles: a ReLU6 used twice or as a function, tied weights, a layer used twice, two readers."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(3, 3) for _ in range(4))
        self.e, self.f, self.g, self.h = (nn.Linear(3, 3) for _ in range(4))
        self.d.weight = self.c.weight
        self.clamp = nn.ReLU6()

    def forward(self, x):
        x = self.clamp(self.b(self.clamp(self.a(x))))
        x = self.d(self.c(x).relu()).sigmoid()
        x = self.f(F.relu6(self.e(x))).sigmoid()
        x = self.g(self.g(x))
        y = self.h(x)
        return self.h(y) + y


def test_pairs_that_cannot_be_scaled_are_skipped_with_a_reason():
    graph = trace(randomize_(Shared()))
    before = {name: tensor.clone() for name, tensor in graph.state_dict().items()}
    result = equalize_(graph, relu6="replace")
    assert not result.pairs
    assert not result.unclamped
    assert result.skipped == [
        ("a", "b", "the ReLU6 between them is no module of its own"),
        ("b", "c", "c is used more than once"),
        ("e", "f", "the ReLU6 between them is no module of its own"),
    ]
    torch.testing.assert_close(dict(graph.state_dict()), before, rtol=0, atol=0)


def test_a_linear_layer_that_reads_rows_of_a_convolution_is_skipped():
    graph = trace(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Linear(4, 4)))
    result = equalize_(graph)
    assert result.skipped == [("0", "2", "one's output channels are not the other's input channels")]


def test_unknown_relu6_settings_are_refused():
    with pytest.raises(InputError, match=r"relu6='keep': must be 'skip' or 'replace'"):
        equalize_(trace(depthwise_net()), relu6="keep")

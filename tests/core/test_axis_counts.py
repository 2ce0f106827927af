"""Numbers of axes that are found without a run, against those of a run."""

from collections.abc import Callable

import pytest
import torch
from calls_net import Calls
from torch import Tensor, fx, nn
from torch.nn import functional as F

from compression.core.axis_counts import count_axes
from compression.core.tracing import trace
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18


def run(traced: fx.GraphModule, images: Tensor) -> dict[fx.Node, object]:
    """Return the value of every node."""
    values: dict[fx.Node, object] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            values[n] = super().run_node(n)
            return values[n]

    with torch.no_grad():
        Recorder(traced).run(images)
    return values


def count_last(function: Callable[[Tensor], Tensor]) -> int | None:
    """Return the number of axes of what ``function`` returns; None if it is not certain."""
    traced = trace(Calls(function))
    axes = count_axes(traced)
    values = run(traced, torch.rand(2, 4, 6, 6))
    for node, count in axes.items():
        value = values[node]
        tensor = value[0] if isinstance(value, (tuple, list)) else value
        assert isinstance(tensor, Tensor)
        assert count == tensor.ndim, node.format_node()
    return axes.get(traced.graph.output_node().all_input_nodes[0])


KNOWN: dict[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "images": (4, lambda x: x),
    "value by value": (4, lambda x: F.silu(x) / 2 + torch.clamp(x, min=0) ** 2),
    "sizes are no tensors": (4, lambda x: x * x.shape[2] / x.size(1)),
    "map layers": (4, lambda x: F.max_pool2d(F.avg_pool2d(x.flatten(2).unflatten(2, (6, 6)), 2), 2)),
    "turned": (4, lambda x: x.permute(0, 2, 3, 1).contiguous().transpose(1, 2)),
    "sizes": (5, lambda x: x.reshape(2, 2, 2, 6, 6)),
    "sizes in a list": (5, lambda x: torch.reshape(x, (2, 2, 2, 6, 6))),
    "another's sizes": (4, lambda x: x.view_as(x)),
    "a new axis": (5, lambda x: x.unsqueeze(1)),
    "a new axis by index": (5, lambda x: x[:, None]),
    "one of an axis": (3, lambda x: x[:, 0]),
    "rows": (4, lambda x: x[:, :, ::2]),
    "joined": (4, lambda x: torch.cat([x, x], 1)),
    "stacked": (5, lambda x: torch.stack([x, x], 1)),
    "a part": (4, lambda x: x.chunk(2, 1)[1]),
    "most axes win": (5, lambda x: x + x.unsqueeze(1)),
    "a sum": (3, lambda x: x.sum(1)),
    "a mean of two": (2, lambda x: x.mean((1, 3))),
    "a mean that stays": (4, lambda x: x.mean(1, True) + x.amax(dim=1, keepdim=True)),
}


@pytest.mark.parametrize("case", KNOWN)
def test_known_numbers_of_axes(case: str) -> None:
    number, function = KNOWN[case]
    assert count_last(function) == number


UNKNOWN: dict[str, Callable[[Tensor], Tensor]] = {
    "unflatten": lambda x: x.unflatten(1, (2, 2)),
    "expand": lambda x: x.expand(3, 2, 4, 6, 6),
    "one input unknown": lambda x: x + x.expand(3, 2, 4, 6, 6),
    "repeat": lambda x: x.repeat(1, 1, 1, 1, 1),
    "sizes in one value": lambda x: x.reshape(x.size()),
    "sum of all": lambda x: x.sum(),
    "largest": lambda x: x.max(1)[0],
    "einsum": lambda x: torch.einsum("bchw,bdhw->bcd", x, x),
    "product": lambda x: torch.matmul(x, x),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_uncertain_numbers_of_axes_are_left_out(case: str) -> None:
    assert count_last(UNKNOWN[case]) is None


def test_layers_that_keep_axes_and_one_that_does_not() -> None:
    layers = (nn.Dropout(), nn.Hardswish(), nn.ZeroPad2d(1), nn.Upsample(scale_factor=2), nn.LayerNorm(14))
    traced = trace(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), *layers, nn.Flatten(1)))
    axes = count_axes(traced)
    assert [axes.get(node) for node in traced.graph.nodes] == [4] * 8 + [None, None]


def test_a_layer_that_returns_a_tuple_is_left_out() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pool = nn.AdaptiveMaxPool2d(1, return_indices=True)

        def forward(self, images: Tensor) -> Tensor:
            values: Tensor = self.pool(images)[0]
            return values

    assert list(count_axes(trace(Net())).values()) == [4]


def test_a_parameter_has_its_axes() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1, 2, 3, 4, 4))

        def forward(self, images: Tensor) -> Tensor:
            return images * self.scale

    traced = trace(Net())
    axes = count_axes(traced)
    assert axes[traced.graph.output_node().all_input_nodes[0]] == 5


@pytest.mark.parametrize("build", [resnet18, mobilenet_v2])
def test_all_maps_of_a_network_are_known(build: Callable[..., nn.Module]) -> None:
    traced = trace(build(num_classes=3, width_mult=0.25).eval())
    axes, values = count_axes(traced), run(traced, torch.rand(1, 3, 32, 32))
    maps = [node for node, value in values.items() if isinstance(value, Tensor) and value.ndim == 4]
    assert maps
    assert all(axes[node] == 4 for node in maps)

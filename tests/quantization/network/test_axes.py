"""The axes that a graph tells are those of the tensors."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F
from user_nets import Views

from compression.core.tracing import trace
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11
from compression.quantization.network.axes import count_axes


class Functions(nn.Module):
    """Leads from an image to logits in the ways that networks take."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.conv, self.pool, self.function = nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), function
        self.head = nn.Linear(4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return F.softmax(self.head(self.function(self.pool(self.conv(images).relu()))), dim=-1)


class AxesOfRun(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule) -> None:
        super().__init__(graph)
        self.axes: dict[str, int] = {}

    def run_node(self, n: fx.Node) -> object:
        found = super().run_node(n)
        if isinstance(found, Tensor):
            self.axes[n.name] = found.ndim
        return found


FUNCTIONS = [
    lambda x: x.flatten(1),
    lambda x: torch.flatten(x, start_dim=1),
    lambda x: x.view(x.size(0), -1),
    lambda x: x.reshape((len(x) if isinstance(x, Tensor) else -1, 4)),
    lambda x: x.squeeze(-1).squeeze(-1),
    lambda x: torch.squeeze(x, dim=(2, 3)),
    lambda x: torch.mean(x, dim=(2, 3)),
    lambda x: x.sum(3).amax(2),
    lambda x: F.dropout(x.flatten(2).transpose(1, 2), training=False),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_axes_of_functions(function: Callable[[Tensor], Tensor]) -> None:
    graph = trace(Functions(function).eval())
    run = AxesOfRun(graph)
    run.run(torch.randn(2, 3, 6, 6))
    head = next(node for node in graph.graph.nodes if node.target == "head")
    assert count_axes(graph, head) == run.axes["head"]


@pytest.mark.parametrize("make", [mobilenet_v2, resnet18, vgg11, Views])
def test_what_is_known_of_whole_networks_is_right(make: Callable[..., nn.Module]) -> None:
    graph = trace(make(num_classes=3).eval())
    run = AxesOfRun(graph)
    run.run(torch.randn(2, 3, 32, 32))
    known = {node.name: count_axes(graph, node) for node in graph.graph.nodes if node.name in run.axes}
    assert {name: axes for name, axes in known.items() if axes is not None} == {
        name: axes for name, axes in run.axes.items() if known[name] is not None
    }
    linear = [node for node in graph.graph.nodes if node.op == "call_module"]
    assert [count_axes(graph, node) for node in linear if isinstance(graph.get_submodule(node.target), nn.Linear)]


def test_what_a_graph_does_not_tell_is_not_known() -> None:
    class Net(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.view(images.shape)

    graph = trace(Net())
    assert [count_axes(graph, node) for node in graph.graph.nodes if node.name in ("reshape", "view")] == [None]

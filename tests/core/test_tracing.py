import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from compression.core.errors import InputError
from compression.core.selection import RoundsActivations
from compression.core.tracing import trace


class Means(nn.Module):
    """Means over pixels, and an addition in place."""

    def __init__(self) -> None:
        super().__init__()
        self.relu, self.unused = nn.ReLU(inplace=True), nn.Linear(2, 2)

    def forward(self, images: Tensor) -> Tensor:
        images = self.relu(images)
        images += 1
        return images.mean([2, 3]) + images.mean((2, 3), keepdim=True).flatten(1)


def calls(traced: fx.GraphModule, target: object) -> int:
    return sum(node.target is target for node in traced.graph.nodes)


def test_means_over_pixels_become_pools() -> None:
    traced, images = trace(Means()), torch.randn(2, 3, 4, 4)
    assert calls(traced, F.adaptive_avg_pool2d) == 2
    torch.testing.assert_close(traced(images.clone()), Means()(images.clone()))


def test_a_traced_network_changes_nothing_in_place() -> None:
    model, images = Means(), torch.randn(2, 3, 4, 4)
    before = images.clone()
    trace(model)(images)
    assert torch.equal(images, before)
    assert model.relu.inplace


def test_unused_modules_are_left_out() -> None:
    assert "unused.weight" not in trace(Means()).state_dict()


def test_data_dependent_control_flow_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if images.sum() > 0 else -images

    with pytest.raises(InputError, match=r"Branching cannot be traced: .* must not branch on values of tensors"):
        trace(Branching())


def test_layers_of_integer_networks_stay_calls():
    class Rounds(RoundsActivations):
        def forward(self, values):
            return values.round() if values.sum() > 0 else values

    graph = trace(nn.Sequential(Rounds(), nn.Flatten()))
    assert [node.op for node in graph.graph.nodes] == ["placeholder", "call_module", "call_module", "output"]

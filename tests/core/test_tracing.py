from collections.abc import Callable

import pytest
import torch
from calls_net import Calls
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


def grouped(images: Tensor) -> Tensor:
    groups = images.reshape(-1, 2, 2, 4, 6)
    return (groups * groups.mean((2, 3), keepdim=True)).flatten(1)


def of_another_order(images: Tensor) -> Tensor:
    return images.unsqueeze(1).mean((2, 3))


def of_unknown_axes(images: Tensor) -> Tensor:
    return images.unflatten(1, (2, 2)).mean((2, 3))


@pytest.mark.parametrize("function", [grouped, of_another_order, of_unknown_axes])
def test_a_mean_of_other_axes_stays_one(function: Callable[[Tensor], Tensor]) -> None:
    """Axes 2 and 3 of five are not the last two, which pooling averages."""
    traced, images = trace(Calls(function)), torch.randn(2, 4, 4, 6)
    assert calls(traced, F.adaptive_avg_pool2d) == 0
    torch.testing.assert_close(traced(images), function(images))


def by_name(images: Tensor) -> Tensor:
    return torch.mean(input=images, dim=(2, 3))


def by_name_and_kept(images: Tensor) -> Tensor:
    return torch.mean(images, keepdim=True, dim=[3, 2])


def in_turn(images: Tensor) -> Tensor:
    return images.mean((2, 3), keepdim=True).mean((2, 3))


def back_to_a_map(images: Tensor) -> Tensor:
    return images.reshape(-1, 2, 2, 4, 6).sum(1).mean((2, 3))


@pytest.mark.parametrize(
    ("function", "num_pools"), [(by_name, 1), (by_name_and_kept, 1), (in_turn, 2), (back_to_a_map, 1)]
)
def test_means_in_other_words_become_pools(function: Callable[[Tensor], Tensor], num_pools: int) -> None:
    traced, images = trace(Calls(function)), torch.randn(2, 4, 4, 6)
    assert calls(traced, F.adaptive_avg_pool2d) == num_pools
    torch.testing.assert_close(traced(images), function(images))


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

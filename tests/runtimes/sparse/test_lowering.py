from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.runtimes.sparse.lowering import count_result_bytes, lower
from compression.runtimes.sparse.program import Convolution, MaxPool, MeanPool

SHAPE = (3, 8, 8)


class Calls(nn.Module):
    """A network that calls one function on a map."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function, self.head = function, nn.Linear(192, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.function(images).flatten(1))


def test_a_residual_network_becomes_convolutions_and_pools() -> None:
    program = lower(resnet18(num_classes=10, stem="imagenet", width_mult=0.25), shape=(3, 64, 64))
    kinds = [type(operation) for operation in program.operations]
    # 20 convolutions and a linear layer. Batch norm, ReLU and sums are part of them.
    assert kinds.count(Convolution) == 21
    assert set(kinds) == {Convolution, MaxPool, MeanPool}
    assert sum(op.added is not None for op in program.operations if isinstance(op, Convolution)) == 8


def test_relu6_becomes_limits() -> None:
    program = lower(mobilenet_v2(num_classes=10, stem="imagenet"), shape=(3, 32, 32))
    assert {(op.low, op.high) for op in program.operations} == {(0.0, 6.0), (-float("inf"), float("inf"))}


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(144, 2)), "GroupNorm"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), "Conv2d with padding_mode=reflect"),
        (Calls(lambda images: torch.cumsum(images, 1)), "cumsum"),
        (Calls(lambda images: images.transpose(1, 2)), "transpose"),
        (Calls(lambda images: torch.cat([images, images], dim=3)[..., :8]), "cat along another axis"),
    ],
)
def test_an_operation_without_a_kernel_is_named(network: nn.Module, name: str) -> None:
    with pytest.raises(InputError, match=rf"engine sparse: {name}.*is not supported; use another engine"):
        lower(network, shape=SHAPE)


def test_control_flow_is_refused() -> None:
    class Branching(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if images.sum() > 0 else -images

    with pytest.raises(InputError, match="Branching cannot be traced"):
        lower(Branching(), shape=SHAPE)


def test_a_shape_that_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"images of shape \[3, 8, 8\] do not fit the network"):
        lower(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), shape=SHAPE)


def test_results_are_counted_without_their_memory() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    # The image, four maps of its size before and after ReLU, four means, and a view of these.
    assert count_result_bytes(network, shape=(3, 10, 10)) == 4 * (300 + 400 + 400 + 4 + 4)
    assert count_result_bytes(network, shape=(3, 65536, 65536)) == 4 * (11 * 65536**2 + 8)
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())


def test_a_shape_that_does_not_fit_cannot_be_counted() -> None:
    with pytest.raises(InputError, match=r"images of shape \[3, 8, 8\] do not fit the network"):
        count_result_bytes(nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), shape=SHAPE)

"""Traced networks read what an operation in place left behind, and overwrite nothing themselves."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.tracing import trace


def sum_then_read(x: Tensor) -> Tensor:
    y = torch.relu(x)
    y.add_(x)
    return y * 2


def limit_then_read(x: Tensor) -> Tensor:
    y = x * 2
    F.relu(y, inplace=True)
    return y + 1


def limit_by_place_then_read(x: Tensor) -> Tensor:
    y = x * 2
    F.relu(y, True)
    return y + 1


def function_then_read(x: Tensor) -> Tensor:
    y = x * 2
    torch.relu_(y)
    return y + 1


def two_names_in_turn(x: Tensor) -> Tensor:
    y = x * 2
    z = y.mul_(3)
    z.clamp_(min=0.5)
    return y + z


def nothing_else_changes(x: Tensor) -> Tensor:
    before = torch.relu(x)
    after = before.clone()
    after.sigmoid_()
    return before + after


FUNCTIONS = (
    *(sum_then_read, limit_then_read, limit_by_place_then_read, function_then_read),
    *(two_names_in_turn, nothing_else_changes),
)


class Calls(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, images: Tensor) -> Tensor:
        return self.function(images)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_traced_function_gives_the_same(function: Callable[[Tensor], Tensor]) -> None:
    images = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    before = images.clone()
    found = trace(Calls(function))(images)
    assert torch.equal(images, before)
    assert torch.equal(found, function(before.clone()))


def test_a_module_in_place_changes_what_is_read_later() -> None:
    class Shortcut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.act = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True)

        def forward(self, images: Tensor) -> Tensor:
            shortcut = self.conv(images)
            return self.act(shortcut) * 2 + shortcut

    model, images = Shortcut(), torch.randn(2, 3, 4, 4)
    traced = trace(model)
    assert torch.equal(traced(images), model(images))
    assert not traced.act.inplace
    assert model.act.inplace

"""Traced networks read what an operation in place left behind, and overwrite nothing themselves."""

from collections.abc import Callable

import pytest
import torch
from calls_net import Calls
from torch import Tensor, nn
from torch.nn import functional as F

from compression.core.errors import InputError
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


def a_pass_is_the_same_tensor(x: Tensor) -> Tensor:
    y = x * 2
    same = F.dropout(F.dropout(y, training=False), training=False)
    torch.relu_(same)
    return y + same


def an_earlier_pass_changes_too(x: Tensor) -> Tensor:
    y = x * 2
    same = F.dropout(y, training=False)
    y.clamp_(min=0.5)
    return same * 3


def halves_do_not_overlap(x: Tensor) -> Tensor:
    first, second = (x * 2).chunk(2, dim=2)
    first.relu_()
    return torch.cat((second, first), dim=2)


def a_view_that_nobody_else_reads(x: Tensor) -> Tensor:
    y = (x * 2).flatten(1)
    return y.relu_() + 1


FUNCTIONS = (
    *(sum_then_read, limit_then_read, limit_by_place_then_read, function_then_read),
    *(two_names_in_turn, nothing_else_changes),
    *(a_pass_is_the_same_tensor, an_earlier_pass_changes_too, halves_do_not_overlap, a_view_that_nobody_else_reads),
)


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


@pytest.mark.parametrize("kind", [nn.Identity, nn.Dropout, nn.Dropout2d])
def test_what_a_layer_passes_on_is_the_same_tensor(kind: type[nn.Module]) -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.act, self.conv = kind(), nn.ReLU(inplace=True), nn.Conv2d(3, 3, 1)

        def forward(self, images: Tensor) -> Tensor:
            images = images * 2
            return self.conv(self.act(self.norm(images))) + images

    model, images = Block().eval(), torch.randn(2, 3, 4, 4)
    assert torch.equal(trace(model)(images), model(images))


def base_is_read_later(x: Tensor) -> Tensor:
    y = x * 2
    y.flatten(1).relu_()
    return y + 1


def view_is_read_later(x: Tensor) -> Tensor:
    y = x * 2
    flat = y.flatten(1)
    y.relu_()
    return flat + 1


def whole_is_read_later(x: Tensor) -> Tensor:
    y = x * 2
    y.chunk(2, dim=2)[0].relu_()
    return y + 1


def sibling_is_read_later(x: Tensor) -> Tensor:
    y = x * 2
    flat, rows = y.flatten(1), y.flatten(2)
    flat.relu_()
    return rows + 1


def copy_or_not_is_read_later(x: Tensor) -> Tensor:
    turned = (x * 2).permute(0, 2, 3, 1)
    turned.contiguous().relu_()
    return turned + 1


VIEWS = (base_is_read_later, view_is_read_later, whole_is_read_later, sibling_is_read_later, copy_or_not_is_read_later)


@pytest.mark.parametrize("function", VIEWS)
def test_an_overwritten_view_of_a_tensor_that_is_read_later_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError, match=r"relu_ overwrites a tensor in place, and add\w* reads another view"):
        trace(Calls(function))

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


def columns_are_a_copy(x: Tensor) -> Tensor:
    y = x * 2
    columns = F.unfold(y, 2)
    columns.relu_()
    return y.mean() + columns


def a_conversion_that_nobody_else_reads(x: Tensor) -> Tensor:
    y = x.float()
    y.add_(1)
    return y * 2


def only_facts_of_the_other_are_read(x: Tensor) -> Tensor:
    y = x.float()
    y.add_(1)
    return y.reshape(x.shape[0], x.size(1), -1).to(x.dtype)


def the_other_part_is_taken_later(x: Tensor) -> Tensor:
    parts = torch.chunk(x * 2, 2, dim=2)
    torch.relu_(parts[0])
    return parts[1] + 1


FUNCTIONS = (
    *(sum_then_read, limit_then_read, limit_by_place_then_read, function_then_read),
    *(two_names_in_turn, nothing_else_changes),
    *(a_pass_is_the_same_tensor, an_earlier_pass_changes_too, halves_do_not_overlap, a_view_that_nobody_else_reads),
    *(columns_are_a_copy, a_conversion_that_nobody_else_reads, only_facts_of_the_other_are_read),
    the_other_part_is_taken_later,
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


ALIASES: dict[str, Callable[[Tensor], Tensor]] = {
    "to": lambda y: y.to(torch.float32),
    "float": lambda y: y.float(),
    "type": lambda y: y.type(torch.float32),
    "type_as": lambda y: y.type_as(y),
    "view_as": lambda y: y.view_as(y),
    "expand_as": lambda y: y.expand_as(y),
    "data": lambda y: y.data,
    "mT": lambda y: y.mT,
    "T": lambda y: y.flatten(1).T,
    "ravel": lambda y: y.ravel(),
    "swapdims": lambda y: y.swapdims(1, 2),
    "unfold": lambda y: y.unfold(2, 2, 2),
    "diagonal": lambda y: y.diagonal(),
    "by name": lambda y: torch.transpose(input=y, dim0=1, dim1=2),
}


@pytest.mark.parametrize("name", ALIASES)
def test_an_overwritten_alias_of_a_tensor_that_is_read_later_is_refused(name: str) -> None:
    def function(x: Tensor) -> Tensor:
        y = x * 2
        ALIASES[name](y).relu_()
        return y + 1

    images = torch.randn(2, 3, 4, 5)
    assert not torch.equal(function(images), images * 2 + 1)
    with pytest.raises(InputError, match=r"^relu_ overwrites a tensor in place, and add\w* reads another view of it"):
        trace(Calls(function))


def parts_are_joined(x: Tensor) -> Tensor:
    parts = torch.chunk(x * 2, 2, dim=2)
    parts[0].relu_()
    return torch.cat(parts, dim=2)


def the_part_is_taken_again(x: Tensor) -> Tensor:
    parts = torch.split(x * 2, 2, dim=2)
    parts[0].relu_()
    return parts[0] + 1


def the_part_is_taken_from_the_end(x: Tensor) -> Tensor:
    parts = torch.split(x * 2, 2, dim=2)
    parts[1].relu_()
    return parts[-1] + 1


def some_parts_are_taken(x: Tensor) -> Tensor:
    parts = torch.split(x * 2, 2, dim=2)[:1]
    parts[0].relu_()
    return parts[0] + 1


def the_whole_is_overwritten(x: Tensor) -> Tensor:
    y = x * 2
    parts = torch.split(y, 2, dim=2)
    y.relu_()
    return parts[1] + 1


SPLITS = (
    *(parts_are_joined, the_part_is_taken_again, the_part_is_taken_from_the_end),
    *(some_parts_are_taken, the_whole_is_overwritten),
)


@pytest.mark.parametrize("function", SPLITS)
def test_a_split_that_is_read_after_a_part_was_overwritten_is_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(InputError, match=r"^relu_ overwrites a tensor in place, and \w+ reads another view of it"):
        trace(Calls(function))

"""Assignments such as ``y += x`` change every name of a tensor in a traced network, as they do in the network."""

import operator
from collections.abc import Callable

import pytest
import torch
from calls_net import Calls
from torch import Tensor

from compression.core.augmented_assignment import IN_PLACE_OPERATORS
from compression.core.errors import InputError
from compression.core.tracing import trace


def another_name(images: Tensor) -> Tensor:
    y = shortcut = images * 2
    y += torch.relu(y)
    return y * 3 + shortcut


def a_name_from_before_a_dropout(images: Tensor) -> Tensor:
    y = images * 2
    same = torch.dropout(y, 0.5, False)
    y -= 1
    y *= y
    return same


def the_input_itself(images: Tensor) -> Tensor:
    x = images
    x /= 4
    return images + x


def numbers_keep_their_other_names(images: Tensor) -> Tensor:
    height = size = images.shape[2]
    total = count = images.size(3) * 2
    size += 1
    count -= height
    return images * size + height * total - count


@pytest.mark.parametrize(
    "function", [another_name, a_name_from_before_a_dropout, the_input_itself, numbers_keep_their_other_names]
)
def test_a_traced_function_gives_the_same(function: Callable[[Tensor], Tensor]) -> None:
    images = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    found = trace(Calls(function))(images)
    assert torch.equal(found, function(images.clone()))


@pytest.mark.parametrize("in_place", IN_PLACE_OPERATORS, ids=lambda one: one.__name__)
def test_every_operator_changes_the_other_names(in_place: Callable[[Tensor, int], Tensor]) -> None:
    def function(images: Tensor) -> Tensor:
        other = value = images + 0
        value = in_place(value, 3)
        return other - value + other

    numbers = torch.tensor([[5, 6], [7, 9]])
    if in_place is operator.itruediv:
        numbers = numbers.float()
    traced = trace(Calls(function))
    assert torch.equal(traced(numbers), function(numbers.clone()))
    assert not {node.target for node in traced.graph.nodes} & set(IN_PLACE_OPERATORS)


def test_nodes_are_named_as_those_of_a_new_value() -> None:
    # Plans of quantization name the nodes, and files hold plans.
    def assigned(images: Tensor) -> Tensor:
        y = images * 2
        y += images
        return y + 1

    def computed(images: Tensor) -> Tensor:
        y = images * 2
        y = y + images
        return y + 1

    names = [[node.name for node in trace(Calls(function)).graph.nodes] for function in (assigned, computed)]
    assert names[0] == names[1]


def test_a_view_that_is_read_afterwards_is_refused() -> None:
    def function(images: Tensor) -> Tensor:
        y = images * 2
        flat = y.flatten(1)
        y += 1
        return flat.sum(1) + y.sum((1, 2, 3))

    with pytest.raises(InputError, match="add overwrites a tensor in place, and sum_1 reads another view of it"):
        trace(Calls(function))


def test_an_assignment_to_a_part_is_refused_in_words() -> None:
    def function(images: Tensor) -> Tensor:
        y = images * 2
        y[:, 0] = 0
        return y

    with pytest.raises(InputError, match=r"cannot be traced: .*\(it assigns to a part of a tensor, .*; use "):
        trace(Calls(function))

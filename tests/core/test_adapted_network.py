import copy
from collections import namedtuple

import pytest
import torch
from torch import Tensor, nn
from user_nets import Versioned

from compression.core.adapted_network import (
    adapt_,
    find_class,
    find_logits,
    is_adapted,
    is_contiguous_only,
    keep_contiguous_,
    restore_class_,
)
from compression.core.tracing import trace

ONE, TWO = torch.tensor([1.0]), torch.tensor([2.0])
Outputs = namedtuple("Outputs", ["aux", "logits"])


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (ONE, ONE),
        ((ONE, TWO), ONE),
        ([None, TWO], TWO),
        ({"features": ONE, "logits": TWO}, TWO),
        ({"features": ONE, "other": TWO}, ONE),
        (Outputs(ONE, TWO), TWO),
        (Outputs(ONE, None), ONE),
        ("text", "text"),
        ((), ()),
    ],
)
def test_the_field_logits_comes_before_the_first_tensor(output: object, expected: object) -> None:
    assert find_logits(output) is expected


class Pair(nn.Module):
    """Returns the sum over pixels and another tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale, self.side = nn.Parameter(torch.tensor(2.0)), nn.Linear(3, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        means = x.mean((2, 3))
        return means * self.scale, self.side(means).relu()


def test_an_adapted_network_returns_its_logits_under_its_old_names() -> None:
    model, images = Pair(), torch.ones(2, 3, 4, 4)
    before = model.state_dict().keys()
    adapt_(model)
    assert torch.equal(model(images), torch.full((2, 3), 2.0))
    assert type(model).__name__ == "Pair"
    assert find_class(model) is Pair
    assert model.state_dict().keys() == before
    assert torch.equal(copy.deepcopy(model)(images), model(images))
    adapt_(model)
    restore_class_(model)
    assert type(model) is Pair
    assert not is_adapted(model)


def test_its_graph_has_the_logits_alone_and_the_name_of_its_input() -> None:
    model, images = Pair(), torch.rand(2, 3, 4, 4)
    adapt_(model)
    graph = trace(model)
    assert torch.equal(graph(images), model(images))
    assert next(iter(graph.graph.nodes)).name == "x"
    # Nothing reads the second output any more.
    assert "side.weight" not in graph.state_dict()


class Flat(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(16, 2)

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        return self.head(x.view(x.size(0), -1))


def test_a_contiguous_network_ignores_channels_last() -> None:
    model, images = Flat(), torch.rand(2, 3, 4, 4)
    expected = model(images)
    last = images.contiguous(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        model(last)
    keep_contiguous_(model)
    assert is_contiguous_only(model)
    assert model.to(memory_format=torch.channels_last) is model
    model.to("cpu", memory_format=torch.channels_last)
    assert model.conv.weight.is_contiguous()
    torch.testing.assert_close(model(last), expected)
    torch.testing.assert_close(copy.deepcopy(model)(last), expected)


def test_a_graph_runs_in_any_memory_format() -> None:
    model, images = Flat(), torch.rand(2, 3, 4, 4)
    graph = trace(model).to(memory_format=torch.channels_last)
    last = images.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(graph(last), model(images))


def test_files_without_versions_of_modules_load() -> None:
    model = Versioned(num_classes=2)
    plain = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match="version should be 2 instead of None"):
        model.load_state_dict(plain)
    adapt_(model)
    model.load_state_dict(plain)
    model.load_state_dict(model.state_dict())


@pytest.mark.parametrize("contiguous", [False, True])
def test_a_network_that_overwrites_its_input_changes_nothing_outside(contiguous: bool) -> None:
    class Normalizes(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            images -= 0.5
            images /= 0.25
            return images.mean((2, 3))

    model, images = Normalizes(), torch.rand(2, 3, 4, 4)
    before = images.clone()
    adapt_(model)
    if contiguous:
        keep_contiguous_(model)
    assert torch.equal(model(images), model(images))
    assert torch.equal(images, before)

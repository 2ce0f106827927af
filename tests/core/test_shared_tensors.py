import copy

import torch
from torch import nn
from user_nets import TiedWeights, TwoNames

from compression.core.shared_tensors import find_aliases, name_once_, without_aliases
from compression.core.tracing import trace


def test_aliases_are_later_names() -> None:
    assert find_aliases(TiedWeights(num_classes=2)) == {"outer.weight": "inner.weight"}
    assert find_aliases(TwoNames(num_classes=2)) == {"second.weight": "first.weight"}
    assert find_aliases(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))) == {}


def test_views_of_one_buffer_and_empty_tensors_are_no_aliases() -> None:
    model = nn.Module()
    memory = torch.arange(6.0)
    model.register_buffer("all", memory)
    model.register_buffer("part", memory[:3])
    model.register_buffer("nothing", torch.empty(0))
    model.register_buffer("also", torch.empty(0))
    assert find_aliases(model) == {}


def test_a_state_dict_names_a_tensor_once_and_loads_with_and_without_the_alias() -> None:
    torch.manual_seed(0)
    first, second = TiedWeights(num_classes=2), TiedWeights(num_classes=2)
    complete = {name: value.clone() for name, value in first.state_dict().items()}
    for model in (first, second):
        name_once_(model)
    state = first.state_dict()
    assert "outer.weight" not in state
    assert set(complete) - set(state) == {"outer.weight"}
    for given in (state, complete):
        second.load_state_dict(given)
        assert second.outer.weight is second.inner.weight
        assert torch.equal(second.outer.weight, first.outer.weight)
    outside = nn.ModuleDict({"net": first})
    assert "net.outer.weight" not in outside.state_dict()
    outside.load_state_dict(outside.state_dict())


def test_copies_and_graphs_name_it_once_too() -> None:
    model = TiedWeights(num_classes=2)
    name_once_(model)
    graph = trace(model)
    for one in (copy.deepcopy(model), graph, copy.deepcopy(graph)):
        assert "outer.weight" not in one.state_dict()
        one.load_state_dict(one.state_dict())


def test_tensors_that_were_separated_keep_both_names() -> None:
    model = TiedWeights(num_classes=2)
    name_once_(model)
    model.outer.weight = nn.Parameter(torch.zeros(64, 64))
    assert "outer.weight" in model.state_dict()


def test_files_of_other_programs_name_it_twice() -> None:
    model = TiedWeights(num_classes=2)
    weights = dict(model.state_dict())
    assert without_aliases(weights, model) == weights
    name_once_(model)
    assert weights.keys() - without_aliases(weights, model).keys() == {"outer.weight"}

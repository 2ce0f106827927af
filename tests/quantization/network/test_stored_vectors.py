import pytest
import torch

from compression.core.errors import InputError
from compression.quantization.network.scale_grid import nearest_powers
from compression.quantization.network.stored_vectors import decode_vectors, encode_vectors, stored_types
from compression.quantization.plan import Bits, Plan

PLAN = Plan({"layer": Bits(8, 8), "float": Bits(32, 32)}, grid_vectors=True)


@pytest.fixture
def state():
    return {
        "layer.weight": torch.ones(2, 1, dtype=torch.int8),
        "layer.weight_scale": nearest_powers(torch.tensor([0.3, 0.5])),
        "layer.bias": torch.tensor([20, -7], dtype=torch.int32),
        "layer.bias_step": torch.tensor(0.1),
        "float.weight": torch.ones(2, 1),
        "float.bias": torch.ones(2),
    }


def test_vectors_on_grids_are_bytes_in_the_file(state):
    stored = encode_vectors(state, PLAN)
    assert stored["layer.weight_scale"].dtype == stored["layer.bias"].dtype == torch.int8
    assert torch.equal(stored["float.bias"], state["float.bias"])
    again = decode_vectors(stored, PLAN)
    assert set(again) == set(state)
    assert all(torch.equal(again[name], value) and again[name].dtype == value.dtype for name, value in state.items())


def test_the_types_are_those_of_the_file(state):
    types = {name: (tuple(value.shape), value.dtype) for name, value in state.items()}
    stored = {name: (tuple(value.shape), value.dtype) for name, value in encode_vectors(state, PLAN).items()}
    assert stored_types(types, PLAN) == stored


def test_without_grids_nothing_changes(state):
    plan = Plan(PLAN.layers)
    assert encode_vectors(state, plan) == decode_vectors(state, plan) == state
    types = {name: (tuple(value.shape), value.dtype) for name, value in state.items()}
    assert stored_types(types, plan) == types


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("layer.scale_middle", None, r"layer.scale_middle is absent; allowed: int16 \[\]"),
        ("layer.weight_scale", torch.ones(2), r"layer.weight_scale is float32 \[2\]; allowed: int8 \[2\]"),
        ("layer.bias", torch.ones(3, dtype=torch.int8), r"layer.bias is int8 \[3\]; allowed: int8 \[2\]"),
    ],
)
def test_other_tensors_than_those_of_the_file_are_refused(state, name, change, message):
    stored = encode_vectors(state, PLAN)
    stored.pop(name)
    if change is not None:
        stored[name] = change
    with pytest.raises(InputError, match=message):
        decode_vectors(stored, PLAN)

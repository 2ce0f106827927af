import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compression.quantization.network.bias_grid import from_grid, narrow_biases, to_grid, widen_biases
from compression.quantization.plan import Bits, Plan

PLAN = Plan({"layer": Bits(8, 8)}, grid_biases=True)
STEP = 0.01


def stored(steps, size, scale):
    return {
        "layer.bias": torch.tensor(steps, dtype=torch.int8),
        "layer.bias_step": torch.tensor(size, dtype=torch.float32),
        "layer.weight_scale": torch.tensor(scale, dtype=torch.float32),
    }


def test_biases_become_multiples_of_the_step():
    steps, size = to_grid(torch.tensor([0.031, -0.118, 0.0, 0.004]), STEP)
    assert (steps.tolist(), size) == ([3, -12, 0, 0], STEP)
    assert steps.dtype == torch.int8


def test_a_large_bias_makes_the_step_larger():
    steps, size = to_grid(torch.tensor([12.7, -0.04]), STEP)
    assert size == pytest.approx(0.1)
    assert steps.tolist() == [127, 0]


def test_biases_without_values_have_a_step_above_zero():
    steps, size = to_grid(torch.zeros(3), 0.0)
    assert steps.tolist() == [0, 0, 0]
    assert size > 0


def test_biases_of_integer_layers_are_in_units_of_their_channels():
    bias = from_grid(torch.tensor([3, 3], dtype=torch.int8), torch.tensor(0.5), torch.tensor([0.25, 0.1]))
    assert bias.tolist() == [6, 15]
    assert bias.dtype == torch.int32


def test_biases_of_float_layers_are_floats():
    state, plan = stored([3, -2], 0.5, [0.25, 0.1]), Plan({"layer": Bits(8, 32)}, grid_biases=True)
    wide = widen_biases(state, plan)
    assert wide["layer.bias"].tolist() == [1.5, -1.0]
    assert wide["layer.bias"].dtype == torch.float32
    assert torch.equal(narrow_biases(wide, plan)["layer.bias"], state["layer.bias"])


@given(
    steps=st.lists(st.integers(-127, 127), min_size=1, max_size=8),
    size=st.floats(1e-6, 1e3),
    scales=st.lists(st.floats(1e-4, 1e4), min_size=8, max_size=8),
)
def test_a_file_gives_back_the_biases_of_the_network(steps, size, scales):
    wide = widen_biases(stored(steps, size, scales[: len(steps)]), PLAN)
    narrow = narrow_biases(wide, PLAN)
    assert torch.equal(widen_biases(narrow, PLAN)["layer.bias"], wide["layer.bias"])


def test_a_huge_step_of_a_damaged_file_overflows_nothing():
    wide = widen_biases(stored([127, -127], 3e38, [1e-30, 1e-30]), PLAN)
    assert wide["layer.bias"].tolist() == [2**31 - 1, 1 - 2**31]


def test_a_network_without_a_grid_is_left_alone():
    state = {"layer.bias": torch.tensor([300], dtype=torch.int32), "layer.weight_scale": torch.ones(1)}
    plan = Plan({"layer": Bits(8, 8)})
    assert torch.equal(widen_biases(state, plan)["layer.bias"], state["layer.bias"])
    assert torch.equal(narrow_biases(state, plan)["layer.bias"], state["layer.bias"])

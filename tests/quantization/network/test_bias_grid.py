import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compression.quantization.network.bias_grid import decode_bias, encode_bias, to_grid

STEP = 0.01


def steps_of(*numbers):
    return torch.tensor(numbers, dtype=torch.int8)


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
    bias = decode_bias(steps_of(3, 3), torch.tensor(0.5), torch.tensor([0.25, 0.1]))
    assert bias.tolist() == [6, 15]
    assert bias.dtype == torch.int32


def test_biases_of_float_layers_are_floats():
    steps, size = steps_of(3, -2), torch.tensor(0.5)
    bias = decode_bias(steps, size, None)
    assert bias.tolist() == [1.5, -1.0]
    assert bias.dtype == torch.float32
    assert torch.equal(encode_bias(bias, size, None), steps)


@given(
    steps=st.lists(st.integers(-127, 127), min_size=1, max_size=8),
    size=st.floats(1e-6, 1e3),
    scales=st.lists(st.floats(1e-4, 1e4), min_size=8, max_size=8),
)
def test_a_file_gives_back_the_biases_of_the_network(steps, size, scales):
    settings = (torch.tensor(size, dtype=torch.float32), torch.tensor(scales[: len(steps)], dtype=torch.float32))
    bias = decode_bias(steps_of(*steps), *settings)
    assert torch.equal(decode_bias(encode_bias(bias, *settings), *settings), bias)


def test_a_huge_step_of_a_damaged_file_overflows_nothing():
    bias = decode_bias(steps_of(127, -127), torch.tensor(3e38), torch.tensor([1e-30, 1e-30]))
    assert bias.tolist() == [2**31 - 1, 1 - 2**31]

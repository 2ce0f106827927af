"""Fewer significant bits, by hand, and what they do to a network's file."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compression.quantization.narrowing import Narrowing, keep_significant_bits


def test_by_hand():
    # 0b10110111 is 183: four bits of it are 0b1011 * 16 = 176, and 0b1100 * 16 = 192 upwards.
    values = torch.tensor([183, -183, 0, 5, 2**30 + 1], dtype=torch.int32)
    assert keep_significant_bits(values, 4).tolist() == [176, -176, 0, 5, 2**30]
    assert keep_significant_bits(torch.tensor([183.0, 0.183]), 4, up=True).tolist() == pytest.approx([192, 0.1875])


@given(st.floats(2.0**-100, 2.0**100, width=32), st.integers(1, 23))
def test_bounds_of_the_error(value, bits):
    exact = torch.tensor([value, -value])
    near, up = keep_significant_bits(exact, bits), keep_significant_bits(exact, bits, up=True)
    assert ((near - exact).abs() <= exact.abs() * 2.0**-bits * 1.0001).all()
    assert (up.abs() >= exact.abs()).all()
    assert (up.abs() <= exact.abs() * (1 + 2.0 ** (1 - bits)) * 1.0001).all()
    assert torch.equal(keep_significant_bits(near, bits), near)


def test_none_keeps_everything():
    values = torch.tensor([0.1, -0.3])
    assert Narrowing().scale(values) is values
    assert Narrowing().bias(values) is values

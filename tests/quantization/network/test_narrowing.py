"""Tests of scales and biases with fewer significant bits, by hand and in the file of a network."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from compression.quantization.network.narrowing import Narrowing, keep_significant_bits, shorten_scales


def test_by_hand():
    # 0b10110111 is 183: four bits of it are 0b1011 * 16 = 176, and 0b1100 * 16 = 192 upwards.
    values = torch.tensor([183, -183, 0, 5, 2**30 + 1], dtype=torch.int32)
    assert keep_significant_bits(values, 4).tolist() == [176, -176, 0, 5, 2**30]


def test_scales_by_hand():
    # Three bits of 24 are free; the others are the last 21 of 0xB504F3, that is 0x1504F3.
    # 1.0 is 3f800000: its three bits are 100, and what follows them makes it larger already.
    short = shorten_scales(torch.tensor([1.0, 1.2, 1.9, 2.0]), 3, up=True)
    assert [f"{value:08x}" for value in short.view(torch.int32).tolist()] == [
        "3f9504f3",
        "3fb504f3",
        "3ff504f3",
        "401504f3",
    ]


@given(st.floats(2.0**-100, 2.0**100, width=32), st.integers(1, 24))
def test_bounds_of_the_error(value, bits):
    exact = torch.tensor([value, -value])
    near, up = keep_significant_bits(exact, bits), shorten_scales(exact[:1], bits, up=True)
    assert ((near - exact).abs() <= exact.abs() * 2.0**-bits * 1.0001).all()
    assert torch.equal(keep_significant_bits(near, bits), near)
    assert up >= value
    assert up <= value * (1 + 2.0 ** (1 - bits)) * 1.0001
    assert torch.equal(shorten_scales(up, bits, up=True), up)
    nearest = shorten_scales(exact[:1], bits, up=False)
    assert abs(nearest - value) <= abs(up - value)
    assert abs(nearest - value) <= value * 2.0**-bits * 1.0001


def test_none_keeps_everything():
    values = torch.tensor([0.1, -0.3])
    assert Narrowing().scale(values, up=True) is values
    assert Narrowing().bias(values) is values

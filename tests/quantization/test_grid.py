import pytest

from compression.core.errors import InputError
from compression.quantization.grid import Grid, activation_grid, weight_grid


def test_grids_by_hand():
    assert weight_grid(8) == Grid(-127, 127)
    assert weight_grid(2) == Grid(-1, 1)
    assert activation_grid(8, signed=False) == Grid(0, 255)
    assert activation_grid(8, signed=True) == Grid(-128, 127)
    assert activation_grid(3, signed=True) == Grid(-4, 3)


@pytest.mark.parametrize("bits", range(2, 9))
def test_bits_of_a_grid_round_trip(bits):
    grids = [weight_grid(bits), activation_grid(bits, signed=True), activation_grid(bits, signed=False)]
    assert [grid.bits for grid in grids] == [bits] * 3
    assert [grid.signed for grid in grids] == [True, True, False]


@pytest.mark.parametrize("bits", [1, 9, 0, -8, 16, 7.0, True])
def test_other_bits_are_refused(bits):
    with pytest.raises(InputError, match=r"must be an integer in \[2, 8\], or 32"):
        weight_grid(bits)

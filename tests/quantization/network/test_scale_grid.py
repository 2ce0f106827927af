import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compression.quantization.network.scale_grid import decode_scales, encode_scales, nearest_powers

WORST = 2 ** (1 / 16)


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=20))
def test_the_nearest_power_is_at_most_a_sixteenth_of_an_octave_away(values):
    scales = torch.tensor(values, dtype=torch.float32)
    ratio = nearest_powers(scales) / scales
    assert ratio.max() <= WORST * (1 + 1e-6)
    assert ratio.min() >= (1 - 1e-6) / WORST
    # Rounded again, they stay.
    assert torch.equal(nearest_powers(nearest_powers(scales)), nearest_powers(scales))


@given(st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=20))
def test_no_scale_is_rounded_down_if_wished(values):
    scales = torch.tensor(values, dtype=torch.float32)
    found = nearest_powers(scales, up=True)
    # The slack keeps powers where they are.
    assert (found >= scales * (1 - 1e-4)).all()
    assert (found <= scales * WORST**2 * (1 + 1e-6)).all()
    assert torch.equal(nearest_powers(found, up=True), found)


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=20), st.integers(-60, 60))
def test_codes_give_back_powers_exactly(eighths, octave):
    scales = nearest_powers(2.0 ** (octave + torch.tensor(eighths) / 8))
    codes, middle = encode_scales(scales)
    assert (codes.dtype, middle.dtype, middle.shape) == (torch.int8, torch.int16, ())
    assert torch.equal(decode_scales(codes, middle), scales)


def test_powers_of_two_are_exact():
    for octave in range(-126, 128):
        assert nearest_powers(torch.tensor([2.0**octave])).item() == 2.0**octave


def test_codes_of_near_scales_are_small():
    codes, middle = encode_scales(nearest_powers(torch.tensor([0.25, 0.27, 0.5, 0.23])))
    assert (codes.tolist(), int(middle)) == ([0, 1, 8, -1], -16)


def test_a_scale_far_below_the_largest_is_raised():
    scales = nearest_powers(torch.tensor([1.0, 2.0**-40]))
    assert scales.tolist() == [1, pytest.approx(2.0**-31.875)]
    assert torch.equal(decode_scales(*encode_scales(scales)), scales)


@pytest.mark.parametrize("middle", [-(2**15), 2**15 - 1])
def test_a_damaged_middle_gives_finite_scales(middle):
    scales = decode_scales(torch.tensor([-128, 127], dtype=torch.int8), torch.tensor(middle, dtype=torch.int16))
    assert torch.isfinite(scales).all()
    assert (scales > 0).all()

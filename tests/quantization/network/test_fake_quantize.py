import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.quantization.grid import Grid, activation_grid, weight_grid
from compression.quantization.network.fake_quantize import fake_quantize, lsq_step_gradient, to_integers


def test_by_hand():
    values = torch.tensor([-9.0, -0.75, -0.25, 0.0, 0.25, 0.26, 0.75, 1.25, 9.0])
    # Halves go to the even neighbour: 0.25 is half a step of 0.5.
    expected = torch.tensor([-1.5, -1.0, 0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.5])
    assert torch.equal(fake_quantize(values, torch.tensor(0.5), weight_grid(3)), expected)
    assert torch.equal(
        to_integers(values, torch.tensor(0.5), activation_grid(2, signed=False)).max(), torch.tensor(3.0)
    )


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), bits=st.integers(2, 8), spread=st.floats(-6, 4))
def test_weights_equal_torchs_bit_for_bit(seed, bits, spread):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(6, 3, 2, 2, generator=generator) * 10**spread
    scale = weight.flatten(1).abs().amax(1) / weight_grid(bits).high * torch.rand(6, generator=generator).add(0.2)
    grid = weight_grid(bits)
    theirs = torch.fake_quantize_per_channel_affine(
        weight, scale, torch.zeros(6, dtype=torch.int32), axis=0, quant_min=grid.low, quant_max=grid.high
    )
    # Theirs writes -0.0 as 0.0, since an integer has no sign of zero.
    assert torch.equal(fake_quantize(weight, scale.reshape(-1, 1, 1, 1), grid), theirs)


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**31), bits=st.integers(2, 8), signed=st.booleans())
def test_activations_equal_torchs_bit_for_bit_with_the_gradient(seed, bits, signed):
    grid = activation_grid(bits, signed=signed)
    values = torch.randn(200, generator=torch.Generator().manual_seed(seed))
    ours, theirs = values.clone().requires_grad_(), values.clone().requires_grad_()
    scale = torch.tensor(1.7 / grid.high)
    result = fake_quantize(ours, scale, grid)
    reference = torch.fake_quantize_per_tensor_affine(
        theirs, scale, torch.tensor(0, dtype=torch.int32), grid.low, grid.high
    )
    assert torch.equal(result, reference)
    weights = torch.arange(200.0)
    (result * weights).sum().backward()
    (reference * weights).sum().backward()
    assert torch.equal(ours.grad, theirs.grad)


def test_step_gradient_equals_the_paper():
    """Equation 3 of arXiv:1902.08153, element by element, in float64."""
    grid, step = Grid(-4, 3), 0.3
    values = torch.linspace(-2, 2, 41, dtype=torch.float64) + 0.001
    gradient_above = torch.linspace(-1, 3, 41, dtype=torch.float64)
    expected = 0.0
    for value, above in zip(values.tolist(), gradient_above.tolist(), strict=True):
        position = value / step
        if position <= grid.low:
            slope = grid.low
        elif position >= grid.high:
            slope = grid.high
        else:
            slope = -position + round(position)
        expected += above * slope
    scale = torch.tensor(step, dtype=torch.float64, requires_grad=True)
    values.requires_grad_()
    factor = lsq_step_gradient(41, grid)
    assert factor == pytest.approx(1 / math.sqrt(41 * 3))
    fake_quantize(values, scale, grid, step_gradient=factor).backward(gradient_above)
    assert scale.grad.item() == pytest.approx(expected * factor, rel=1e-12)
    # Equation 5: straight through inside the ends, nothing beyond.
    inside = (values.detach() / step > grid.low) & (values.detach() / step < grid.high)
    assert torch.equal(values.grad, gradient_above * inside)


def test_each_channel_has_its_own_step_gradient():
    weight = torch.tensor([[0.1, 0.4], [2.0, -3.0]], dtype=torch.float64)
    scale = torch.tensor([[0.3], [0.5]], dtype=torch.float64, requires_grad=True)
    fake_quantize(weight, scale, weight_grid(3), step_gradient=1.0).sum().backward()
    first = (round(0.1 / 0.3) - 0.1 / 0.3) + (round(0.4 / 0.3) - 0.4 / 0.3)
    assert scale.grad.flatten().tolist() == pytest.approx([first, 3 - 3])


def test_without_a_step_gradient_the_scale_has_none():
    scale = torch.tensor(0.5, requires_grad=True)
    fake_quantize(torch.ones(3, requires_grad=True), scale, weight_grid(4)).sum().backward()
    assert scale.grad is None


def test_half_precision_is_rounded_as_float32():
    values = torch.linspace(-1, 1, 99).bfloat16()
    result = fake_quantize(values, torch.tensor(1 / 127), weight_grid(8))
    assert result.dtype == torch.float32
    assert torch.equal(result, fake_quantize(values.float(), torch.tensor(1 / 127), weight_grid(8)))

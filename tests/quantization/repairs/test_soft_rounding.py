import math

import pytest
import torch

from compression.quantization.grid import weight_grid
from compression.quantization.repairs.soft_rounding import (
    SoftRounding,
    inverse_rectified_sigmoid,
    rectified_sigmoid,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def regularizer(up, *, beta):
    return (1 - (2 * up - 1).abs().pow(beta)).sum()


def test_rectified_sigmoid_by_hand():
    # sigmoid(0) = 1/2 -> 1.2 / 2 - 0.1; far out it is clipped.
    assert rectified_sigmoid(torch.tensor([0.0, 9.0, -9.0])).tolist() == [pytest.approx(0.5), 1.0, 0.0]
    fractions = torch.tensor([0.0, 0.25, 0.5, 1.0])
    torch.testing.assert_close(rectified_sigmoid(inverse_rectified_sigmoid(fractions)), fractions)
    assert inverse_rectified_sigmoid(torch.tensor([0.0])).item() == pytest.approx(-math.log(11), rel=1e-6)


def test_soft_weights_by_hand():
    # At scale 1 and 3 bits the grid is -3..3: 9 and -3.5 lie beyond it, 0 is fixed.
    weight = torch.tensor([[0.25, -0.75, 0.0, 9.0, -3.5, 2.5]])
    rounding = SoftRounding(weight, torch.ones(1, 1), weight_grid(3))
    torch.testing.assert_close(rounding.soft(), torch.tensor([[0.25, -0.75, 0.0, 3.0, -3.0, 2.5]]))
    rounding.values.fill_(9.0)
    assert rounding.hard().tolist() == [[1.0, 0.0, 0.0, 3.0, -3.0, 3.0]]
    rounding.values.fill_(-9.0)
    assert rounding.hard().tolist() == [[0.0, -1.0, 0.0, 3.0, -3.0, 2.0]]


@pytest.mark.parametrize("beta", [None, 2.0, 7.5])
def test_gradients_are_those_of_autograd(beta):
    weight, scale = torch.randn(4, 6, generator=generator(1)), torch.rand(4, 1, generator=generator(2)) + 0.2
    grid, coefficients = weight_grid(3), torch.randn(4, 6, generator=generator(3))
    rounding = SoftRounding(weight, scale, grid)
    # Some are clipped.
    rounding.values += torch.randn(4, 6, generator=generator(4)) * 2
    values = rounding.values.clone().requires_grad_()
    floor = (weight / scale).floor()
    free = (floor >= grid.low) & (floor < grid.high)
    up = (values.sigmoid() * 1.2 - 0.1).clamp(0, 1)
    loss = (scale * torch.where(free, floor + up, 0.0) * coefficients).sum()
    if beta is not None:
        loss = loss + 0.3 * regularizer(up[free], beta=beta)
    loss.backward()
    rounding.soft()
    found = rounding.gradient_(coefficients.clone(), beta=beta, weight=0.3)
    torch.testing.assert_close(found, values.grad, rtol=1e-4, atol=1e-5)

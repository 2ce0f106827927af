import pytest
import torch

from compression.quantization.rate.code_length import code_bits, order0_cost
from compression.quantization.rate.rdoq import minimize_cost, rate_aware_steps


def random_layer(rows=16, size=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, size, generator=generator)
    weight[torch.rand(rows, size, generator=generator) < 0.5] = 0
    return weight, weight.abs().amax(1) / 31, torch.rand(rows, size, generator=generator) + 0.1


def rate_aware_rounding(weight, scale, **settings):
    """Return the integers with a fixed step size for each row."""
    return minimize_cost(weight, [scale], **settings).integers


def magnitude_cost(_integers, max_level):
    """Return the costs of a coder that needs one bit for a zero, and one more for each step away from zero."""
    return 1 + torch.arange(-max_level, max_level + 1).abs().float()


def test_price_flips_the_choice():
    # Down to 1 is off by 0.6, up to 2 by 0.4: the difference in error is c (0.36 - 0.16), and in bits 1.
    weight, scale, curvature = torch.tensor([[1.6]]), torch.ones(1), torch.tensor([[5.0]])

    def chosen(lam):
        settings = {"curvature": curvature, "cost": magnitude_cost, "max_level": 3}
        return rate_aware_rounding(weight, scale, lam=lam, **settings).item()

    assert chosen(0.99) == 2
    assert chosen(1.01) == 1
    # From 1 to 0 it is 5 (2.56 - 0.36) = 11 for one bit more.
    assert chosen(10.99) == 1
    assert chosen(11.01) == 0


def test_curvature_flips_the_choice():
    weight, curvature = torch.tensor([[1.6, 1.6, -1.6]]), torch.tensor([[5.0, 0.1, 5.0]])
    made = rate_aware_rounding(weight, torch.ones(1), curvature=curvature, cost=magnitude_cost, lam=0.9, max_level=3)
    assert made.tolist() == [[2, 0, -2]]


@pytest.mark.parametrize("round_", [rate_aware_rounding, lambda *a, **k: rate_aware_steps(*a, **k).integers])
def test_price_of_zero_is_rounding_to_nearest(round_):
    weight, scale, curvature = random_layer()
    made = round_(weight, scale, curvature=curvature, cost=order0_cost, lam=0.0, max_level=31)
    assert torch.equal(made, torch.round(weight / scale[:, None]))


@pytest.mark.parametrize("lam", [1e-3, 0.1, 10.0])
def test_zeros_stay_zero_and_integers_stay_on_the_grid(lam):
    weight, scale, curvature = random_layer()
    for max_level in (31, 7):
        made = rate_aware_steps(weight, scale, curvature=curvature, cost=order0_cost, lam=lam, max_level=max_level)
        assert not made.integers[weight == 0].any()
        assert made.integers.abs().max() <= max_level
        assert (made.integers * weight >= 0).all()
        assert (made.integers.abs() <= (weight.abs() / scale[:, None]).ceil()).all()


def test_rate_falls_with_the_price():
    weight, scale, curvature = random_layer()
    for round_ in (rate_aware_rounding, lambda *a, **k: rate_aware_steps(*a, **k).integers):
        bits = [
            code_bits(round_(weight, scale, curvature=curvature, cost=order0_cost, lam=lam, max_level=31))
            for lam in (0.0, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
        ]
        assert bits == sorted(bits, reverse=True)
        assert bits[-1] < bits[1] / 4


def test_chosen_steps_cost_no_more_than_the_original_scale():
    weight, scale, curvature = random_layer()
    settings = {"curvature": curvature, "cost": magnitude_cost, "lam": 0.05, "max_level": 31}

    def objective(integers, steps):
        distortion = (curvature * (weight - steps[:, None] * integers).square()).sum()
        return float(distortion + 0.05 * (1 + integers.abs()).sum())

    plain = rate_aware_rounding(weight, scale, **settings)
    made = rate_aware_steps(weight, scale, **settings)
    assert objective(made.integers, made.scale) < objective(plain, scale)
    # No other step is better with these integers.
    for factor in (0.99, 1.01):
        assert objective(made.integers, made.scale) < objective(made.integers, made.scale * factor)
    assert (made.scale > 0.9 * scale).all()

"""Rate-distortion optimized quantization (RDOQ) of one weight, as in DeepCABAC (arXiv:1907.11900, section III-C)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from compression.quantization.observers import MIN_SCALE
from compression.quantization.rate.code_length import Cost

# The chosen integers change the cost of integers, so the choice is repeated; it settles in few passes.
PASSES = 5
# Candidate step sizes for each row, as multiples of the theoretical optimum.
STEPS = (1.0, 0.5, 0.7, 1.4, 2.0)


class Rounded(NamedTuple):
    """Integers ``[O, K]`` and the step size of each row, ``[O]``."""

    integers: Tensor
    scale: Tensor


def rate_aware_steps(
    weight: Tensor,
    scale: Tensor,
    *,
    curvature: Tensor,
    cost: Cost,
    lam: float,
    max_level: int,
) -> Rounded:
    """Return the integers q and step sizes s that minimize ``sum_j c_j (w_j - s q_j)^2 + lam bits(q_j)`` in each row.

    ``weight: [O, K]`` is w, and ``curvature: [O, K]`` is c. ``lam=0`` is rounding to nearest with the steps ``scale``.
    Weights that are 0 stay 0.

    The candidates for s are ``STEPS`` times ``best_step`` of the mean c, and never below ``scale: [O]``. Finally, the
    step size is set to the one with the smallest error for the chosen integers, ``sum c w q / sum c q^2``, which makes
    up for magnitudes lost by rounding towards 0.
    """
    alive = weight != 0
    felt = (curvature * alive).sum(1) / alive.sum(1)
    best = torch.where(felt > 0, best_step(felt, lam), scale)
    steps = [torch.maximum(scale, step * best) for step in STEPS]
    steps = steps if lam > 0 else [scale]
    found = minimize_cost(weight, steps, curvature=curvature, cost=cost, lam=lam, max_level=max_level)
    if lam == 0:
        return found
    q = found.integers
    energy = (curvature * q.square()).sum(1)
    fitted = (curvature * weight * q).sum(1) / energy
    return Rounded(q, torch.where(energy > 0, fitted, found.scale).clamp(min=MIN_SCALE))


def best_step(curvature: Tensor, lam: float) -> Tensor:
    """Return the step size ``sqrt(6 lam / (ln 2 c))`` that is best at high rates, of the shape of ``curvature`` c.

    A step size s has an error of ``c s^2 / 12`` and takes ``-log2 s`` bits; ``lam`` is the price of a bit. Their sum is
    smallest at this value.
    """
    return (6 * lam / math.log(2) / curvature).sqrt()


def minimize_cost(
    weight: Tensor,
    steps: list[Tensor],
    *,
    curvature: Tensor,
    cost: Cost,
    lam: float,
    max_level: int,
) -> Rounded:
    """Return the integers, and the one of ``steps`` for each row, that cost least together; see ``rate_aware_steps``.

    Each of ``steps: [O]`` holds a step size for each row. Candidates for an integer are the two next to w/s, the next
    one towards 0, and 0; all are limited to ``max_level``. ``cost`` is evaluated again after each pass, because
    integers that are often chosen become cheap.
    """
    best = Rounded(torch.round(weight / steps[0][:, None]).clamp_(-max_level, max_level), steps[0])
    for _ in range(PASSES if lam > 0 else 0):
        prices = lam * cost(best.integers, max_level).to(weight)
        before, least = best, None
        for tried in steps:
            chosen, total = _cheapest(weight, tried, curvature, prices, max_level)
            if least is None:
                best, least = Rounded(chosen, tried), total
                continue
            better = total < least
            least = torch.where(better, total, least)
            best = Rounded(torch.where(better[:, None], chosen, best.integers), torch.where(better, tried, best.scale))
        if torch.equal(best.integers, before.integers):
            break
    return best


def _cheapest(
    weight: Tensor, scale: Tensor, curvature: Tensor, prices: Tensor, max_level: int
) -> tuple[Tensor, Tensor]:
    """Return the cheapest candidates, ``[O, K]``, and the cost of each row, ``[O]``.

    ``prices: [2 * max_level + 1]`` are the costs of storing each integer.
    """
    rows = scale[:, None]
    signs, above = weight.sign(), (weight.abs() / rows).ceil_().clamp_(max=max_level)
    # Zero comes first, so that equal costs go to the smallest magnitude.
    best = torch.zeros_like(weight)
    least = curvature * weight.square() + prices[max_level]
    for less in (2, 1, 0):
        tried = (above - less).clamp_(min=0) * signs
        total = curvature * (weight - rows * tried).square() + prices[(tried + max_level).long()]
        better = total < least
        best, least = torch.where(better, tried, best), torch.where(better, total, least)
    return best, least.sum(1)

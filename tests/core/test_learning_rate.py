from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.learning_rate import cosine_factor, repeated_cosine, warmup_cosine


@pytest.mark.parametrize(
    ("progress", "floor", "expected"),
    [(0, 0, 1), (0.5, 0, 0.5), (1, 0, 0), (1 / 3, 0, 0.75), (0, 0.1, 1), (0.5, 0.1, 0.55), (1, 0.1, 0.1), (0.3, 1, 1)],
)
def test_cosine_literals(progress, floor, expected):
    assert cosine_factor(progress, floor) == pytest.approx(expected, abs=1e-15)


def test_warmup_literals():
    factors = [warmup_cosine(u, num_updates=8, num_warmup=4, floor=0) for u in range(10)]
    expected = [0.25, 0.5, 0.75, 1, 1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4, 0, 0]
    assert factors == pytest.approx(expected, abs=1e-15)


def test_no_warmup_starts_at_one():
    assert warmup_cosine(0, num_updates=5, num_warmup=0, floor=0.01) == 1


def test_warmup_over_all_updates_does_not_divide_by_zero():
    assert [warmup_cosine(u, num_updates=2, num_warmup=2, floor=0) for u in range(3)] == [0.5, 1, 1]


def test_repeated_literals():
    factors = [repeated_cosine(u, cycle=2, floor=0.1) for u in range(5)]
    assert factors == pytest.approx([1, 0.55, 1, 0.55, 1])


@settings(deadline=None)
@given(st.integers(1, 500), st.data(), st.floats(0, 1))
def test_factor_rises_then_falls_between_floor_and_one(num_updates, data, floor):
    num_warmup = data.draw(st.integers(0, num_updates))
    factors = [
        warmup_cosine(u, num_updates=num_updates, num_warmup=num_warmup, floor=floor) for u in range(num_updates + 3)
    ]
    rising, falling = factors[: num_warmup + 1], factors[num_warmup:]
    assert rising == sorted(rising)
    assert all(a >= b - 1e-12 for a, b in pairwise(falling))
    assert all(floor - 1e-12 <= factor <= 1 + 1e-12 for factor in falling)
    assert factors[-1] == pytest.approx(floor)


def test_equals_the_schedule_of_torch():
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20, eta_min=1e-4)
    for update in range(20):
        factor = warmup_cosine(update, num_updates=20, num_warmup=0, floor=1e-3)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * factor)
        optimizer.step()
        schedule.step()


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 50), st.floats(0, 1))
def test_every_cycle_is_the_same(update, cycle, floor):
    assert repeated_cosine(update, cycle=cycle, floor=floor) == repeated_cosine(
        update + 7 * cycle, cycle=cycle, floor=floor
    )

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compression.core.errors import InputError
from compression.pruning.schedules.constant import Constant
from compression.pruning.schedules.cubic import Cubic, cubic_sparsity
from compression.pruning.schedules.geometric import Geometric, fraction_sparsity, geometric_sparsity
from compression.pruning.schedules.linear import Linear
from compression.pruning.schedules.one_shot import OneShot

targets = st.floats(0.001, 0.999)


def run(schedule, target):
    return [schedule(step, target) for step in range(1, schedule.num_steps(target) + 1)]


def test_one_shot():
    assert run(OneShot(), 0.7) == [0.7]


def test_geometric_literals():
    assert run(Geometric(steps=2), 0.75) == [0.5, 0.75]
    assert run(Geometric(steps=3), 0.999) == pytest.approx([0.9, 0.99, 0.999])
    assert run(Geometric(steps=1), 0.9) == [0.9]
    assert geometric_sparsity(0, 5, 0.9) == 0


def test_step_fraction_literals():
    assert run(Geometric(step_fraction=0.5), 0.9) == [0.5, 0.75, 0.875, 0.9]
    assert run(Geometric(step_fraction=0.9), 0.5) == [0.5]
    # 0.8^10 = 0.107 remains after ten steps, so 90 % takes an eleventh.
    assert Geometric(step_fraction=0.2).num_steps(0.9) == 11
    assert fraction_sparsity(2, 0.2, 0.9) == pytest.approx(0.36)


def test_linear_literals():
    assert run(Linear(steps=4), 0.8) == [0.2, 0.4, pytest.approx(0.6), 0.8]
    assert run(Linear(steps=1), 0.7) == [0.7]


def test_cubic_literals():
    """The distance to the target falls as 27/64, 8/64, 1/64, 0."""
    assert run(Cubic(steps=4), 0.8) == pytest.approx([0.8 * 37 / 64, 0.8 * 56 / 64, 0.8 * 63 / 64, 0.8])
    assert run(Cubic(steps=2), 0.96) == pytest.approx([0.84, 0.96])
    assert run(Cubic(steps=1), 0.7) == [0.7]
    assert cubic_sparsity(0, 5, 0.9) == 0


def test_constant_literals():
    assert run(Constant(steps=3), 0.9) == [0.9, 0.9, 0.9]


@settings(deadline=None)
@given(st.sampled_from([Linear, Cubic]), st.integers(1, 60), targets)
def test_linear_and_cubic_rise_to_exactly_the_target(schedule, num_steps, target):
    values = [0, *run(schedule(steps=num_steps), target)]
    assert len(values) == num_steps + 1
    assert values[-1] == target
    assert all(before < after for before, after in pairwise(values))
    gains = [after - before for before, after in pairwise(values)]
    if schedule is Linear:
        assert gains == pytest.approx([target / num_steps] * num_steps)
    else:
        assert gains == sorted(gains, reverse=True)


@pytest.mark.parametrize(("fraction", "steps"), [(0.1, 2), (0.2, 3), (0.5, 4), (0.3, 7), (0.9, 2)])
def test_a_rounding_error_adds_no_step(fraction, steps):
    assert Geometric(step_fraction=fraction).num_steps(1 - (1 - fraction) ** steps) == steps


@settings(deadline=None)
@given(st.integers(1, 40), targets)
def test_geometric_formula(num_steps, target):
    values = run(Geometric(steps=num_steps), target)
    assert values == pytest.approx([1 - (1 - target) ** (k / num_steps) for k in range(1, num_steps + 1)])
    assert values[-1] == target
    assert values == sorted(values)


@settings(deadline=None)
@given(st.integers(2, 40), targets)
def test_each_step_prunes_the_same_share_of_what_remains(num_steps, target):
    remaining = [1.0] + [1 - value for value in run(Geometric(steps=num_steps), target)]
    ratios = [after / before for before, after in pairwise(remaining)]
    assert ratios == pytest.approx([(1 - target) ** (1 / num_steps)] * num_steps, rel=1e-6)


@settings(deadline=None)
@given(st.floats(0.01, 0.99), targets)
def test_step_fraction_formula(fraction, target):
    schedule = Geometric(step_fraction=fraction)
    values = run(schedule, target)
    assert values[-1] == target
    assert values == sorted(values)
    assert values[:-1] == pytest.approx([1 - (1 - fraction) ** k for k in range(1, len(values))])
    # One step fewer would not reach the target.
    assert len(values) == 1 or 1 - (1 - fraction) ** (len(values) - 1) < target + 1e-9


@pytest.mark.parametrize("schedule", [Geometric, Linear, Cubic, Constant])
@pytest.mark.parametrize("step", [0, 4])
def test_a_step_outside_the_schedule_is_a_defect(schedule, step):
    with pytest.raises(AssertionError):
        schedule(steps=3)(step, 0.9)
    with pytest.raises(AssertionError):
        OneShot()(2, 0.9)


@pytest.mark.parametrize(("steps", "fraction"), [(None, None), (5, 0.2)])
def test_exactly_one_of_steps_and_fraction_is_required(steps, fraction):
    with pytest.raises(InputError) as caught:
        Geometric(steps=steps, step_fraction=fraction)
    assert str(caught.value) == (
        f"strategy.schedule steps={steps} step_fraction={fraction}: give one of them, the other null"
    )


@pytest.mark.parametrize("schedule", [Geometric, Linear, Cubic, Constant])
@pytest.mark.parametrize("steps", [0, -3, 2.5, "many", True])
def test_bad_steps(schedule, steps):
    with pytest.raises(InputError) as caught:
        schedule(steps=steps)
    assert str(caught.value) == f"strategy.schedule.steps={steps}: must be an integer >= 1"


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, math.nan, "half"])
def test_bad_fractions(fraction):
    with pytest.raises(InputError) as caught:
        Geometric(step_fraction=fraction)
    assert str(caught.value) == f"strategy.schedule.step_fraction={fraction}: must be in [0.001, 1)"

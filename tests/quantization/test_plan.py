import dataclasses

import pytest
from integer_nets import plan_of

from compression.core.errors import InputError
from compression.quantization.plan import Plan, describe_arithmetic


def test_plan_as_json(model):
    plan = plan_of(model, 4, 6)
    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    "change",
    [
        {"layers": {"head": [8]}},
        {"layers": {"head": [1, 8]}},
        {"layers": [1]},
        {"activations": {"relu": [8, 1]}},
        {"activations": {"relu": [32, True]}},
        {"dynamic": "no"},
        {"unclamped": [3]},
        {"unclamped": "relu"},
        {"layers": {}},
        {"reduced_range": 1},
    ],
)
def test_a_damaged_plan_is_refused(model, change):
    with pytest.raises(InputError):
        Plan.from_json(plan_of(model).to_json() | change)


def test_arithmetic_is_named(model):
    assert describe_arithmetic(plan_of(model)) == "W8A8, executed in integers"
    reduced = dataclasses.replace(plan_of(model, 7, 8), reduced_range=True)
    assert describe_arithmetic(reduced) == "W7A8, executed in integers"
    assert describe_arithmetic(plan_of(model, 7, 8)) == "W7A8, simulated, stored packed"
    assert describe_arithmetic(plan_of(model, 32, 4)) == "W32A4, simulated"
    assert describe_arithmetic(plan_of(model, 6, 8)) == "W6A8, simulated, stored packed"
    assert describe_arithmetic(plan_of(model, 8, 4)) == "W8A4, simulated, stored packed"
    assert describe_arithmetic(plan_of(model, 8, 32)) == "W8A32, computed in float32"
    assert describe_arithmetic(plan_of(model, dynamic=True)) == "W8A8 dynamic, executed in integers"

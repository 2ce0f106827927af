import dataclasses

import pytest
from integer_nets import plan_of

from compression.core.errors import InputError
from compression.quantization.plan import Activation, Bits, Plan, describe_arithmetic


def test_plan_as_json(model):
    plan = plan_of(model, 4, 6)
    assert Plan.from_json(plan.to_json()) == plan


def test_keys_of_later_versions_are_ignored(model):
    plan = plan_of(model)
    assert Plan.from_json(plan.to_json() | {"later": 1}) == plan


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": {"head": [8]}}, "layers={'head': [8]}: must be a list"),
        ({"layers": [1]}, "layers[0]=1: must be text"),
        ({"layers": []}, "layers=[]: must be a list of length >= 1"),
        ({"layers": ["head"]}, "layers, weight_bits and input_bits must be equally long"),
        ({"weight_bits": [1] * 3}, "weight_bits=1: must be an integer in [2, 8], or 32 for off"),
        ({"input_bits": [9] * 3}, "input_bits=9: must be an integer in [2, 8], or 32 for off"),
        ({"weight_bits": [8.0] * 3}, "weight_bits[0]=8.0: must be an integer"),
        ({"activations": {"relu": [8, 1]}}, "activations={'relu': [8, 1]}: must be a list"),
        ({"activations": []}, "activations, activation_bits and signed must be equally long"),
        ({"activation_bits": [32]}, "activation_bits[0]=32: must be an integer <= 8"),
        ({"signed": [1]}, "signed[0]=1: must be true or false"),
        ({"dynamic": "no"}, "dynamic='no': must be true or false"),
        ({"unclamped": [3]}, "unclamped[0]=3: must be text"),
        ({"unclamped": "relu"}, "unclamped='relu': must be a list"),
        ({"reduced_range": 1}, "reduced_range=1: must be true or false"),
    ],
)
def test_a_damaged_plan_is_refused(model, change, message):
    plan = plan_of(model).to_json()
    assert len(plan["layers"]) == 3
    with pytest.raises(InputError) as caught:
        Plan.from_json(plan | change)
    assert str(caught.value) == f"its quantization plan cannot be read: {message}"


@pytest.mark.parametrize("content", [None, [], {}, {"layers": ["head"]}])
def test_anything_but_a_plan_is_refused(content):
    with pytest.raises(InputError, match="its quantization plan cannot be read: "):
        Plan.from_json(content)


def test_the_fewest_and_the_most_bits():
    layers = {"a": Bits(7, 8), "b": Bits(4, 6)}
    plan = Plan(layers, activations={"relu": Activation(5, False)}, reduced_range=True)
    assert (plan.weight_span, plan.activation_span) == ((4, 7), (5, 8))
    assert describe_arithmetic(plan) == "W4-7A5-8, simulated, stored packed"


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

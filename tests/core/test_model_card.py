import json

import pytest

from compression.core.errors import InputError
from compression.core.model_card import Architecture, InputSpec, ModelCard


def make_card(**changes):
    parts = {
        "architecture": Architecture("my_nets.Net", 2, {"width": 0.5}, compacted=True),
        "class_names": ["cat", "dog"],
        "input": InputSpec(32, [0.5, 0.4, 0.3], [0.2, 0.25, 1]),
        "info": {"strategy": "oneshot_l1"},
    }
    return ModelCard(**parts | changes)


@pytest.mark.parametrize("plan", [None, {"activations": ["input"]}])
def test_a_card_survives_json(plan):
    card = make_card(quantization=plan)
    assert ModelCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_files_of_before_quantization_have_no_plan():
    content = make_card().to_json()
    del content["quantization"]
    assert ModelCard.from_json(content).quantization is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": Architecture("a.B", 2, compacted=1)}, "compacted=1 cannot .* allowed: true or false"),
        ({"architecture": Architecture("a.B", 2, folded="no")}, "folded='no' cannot .* allowed: true or false"),
        ({"architecture": Architecture("a.B", 2.0)}, r"num_classes=2\.0 cannot .* allowed: 1 or more"),
        ({"class_names": "ab"}, "class_names='ab' cannot .* allowed: 2 names, one a class"),
        ({"class_names": ["cat", 1]}, r"class_names=\['cat', 1\] cannot"),
        ({"input": InputSpec(1 << 17, [0.5] * 3, [1] * 3)}, "size=131072 cannot .* allowed: 1 to 65536 pixels"),
        ({"input": InputSpec(8, [0.5] * 3, [1, 1, 0])}, r"std=\[1, 1, 0\] cannot .* allowed: numbers above 0"),
        ({"input": InputSpec(8, [float("nan")] * 3, [1] * 3)}, "mean=.* allowed: 3 finite numbers"),
        ({"input": InputSpec(8, [True] * 3, [1] * 3)}, "mean=.* allowed: 3 finite numbers"),
        ({"info": []}, r"info=\[\] cannot .* allowed: a mapping"),
        ({"quantization": 8}, "quantization=8 cannot .* allowed: a mapping, or none"),
    ],
)
def test_what_cannot_be_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        make_card(**changes)


def test_a_long_value_is_cut():
    with pytest.raises(InputError) as caught:
        make_card(class_names=["x" * 1000])
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("key", ["architecture", "class_names", "input", "info"])
def test_a_missing_part_is_named(key):
    content = make_card().to_json()
    del content[key]
    with pytest.raises(InputError, match=f"^its header is incomplete: '{key}'$"):
        ModelCard.from_json(content)

import json

import pytest

from compression.core.errors import InputError
from compression.core.model_card import ModelCard
from compression.core.preparation import Preparation


def make(**changes):
    """Return a card as JSON; a change with a dot is one of a part."""
    content = {
        "architecture": {"target": "my_nets.Net", "num_classes": 2, "kwargs": {"width": 0.5}, "compacted": True},
        "class_names": ["cat", "dog"],
        "input": {"size": 32, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 1]},
        "info": {"strategy": "oneshot_l1"},
    }
    for name, value in changes.items():
        part, _, key = name.partition(".")
        if key:
            content[part][key] = value
        else:
            content[part] = value
    return content


@pytest.mark.parametrize("plan", [None, {"activations": ["input"]}])
def test_a_card_survives_json(plan):
    card = ModelCard.from_json(make(quantization=plan))
    assert ModelCard.from_json(json.loads(json.dumps(card.to_json()))) == card


def test_a_card_is_written_as_it_was_read():
    content = make()
    # Integers stay integers, and keys are in this order.
    written = {
        "architecture": {**content["architecture"], "folded": False},
        "class_names": ["cat", "dog"],
        "input": {**content["input"], "channels": 3},
        "info": {"strategy": "oneshot_l1"},
        "quantization": None,
    }
    assert json.dumps(ModelCard.from_json(content).to_json()) == json.dumps(written)


def test_the_preparation_of_files_is_written_where_it_differs():
    plain = ModelCard.from_json(make())
    assert plain.input.preparation == Preparation()
    stated = {"channels": 1, "mean": [0.5], "std": [0.2], "fit": "pad", "background": [1, 2, 3], "value_range": [0, 9]}
    card = ModelCard.from_json(make(**{f"input.{key}": value for key, value in stated.items()}))
    assert card.to_json()["input"] == {"size": 32, **stated}
    assert card.input.preparation == Preparation(1, "pad", (1, 2, 3), (0, 9))
    assert card.input.preparation.to_json() == {key: stated[key] for key in Preparation().to_json()}


def test_files_from_before_quantization_have_no_plan():
    assert ModelCard.from_json(make()).quantization is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture.target": 3}, "architecture.target=3: must be text"),
        ({"architecture.kwargs": []}, "architecture.kwargs=[]: must be a mapping"),
        ({"architecture.compacted": 1}, "architecture.compacted=1: must be true or false"),
        ({"architecture.folded": "no"}, "architecture.folded='no': must be true or false"),
        ({"architecture.num_classes": 2.0}, "architecture.num_classes=2.0: must be an integer"),
        ({"architecture.num_classes": 0}, "architecture.num_classes=0: must be an integer >= 1"),
        ({"architecture.num_classes": True}, "architecture.num_classes=True: must be an integer"),
        ({"architecture.surprise": 1}, "architecture.surprise is not a known key"),
        ({"class_names": "ab"}, "class_names='ab': must be a list"),
        ({"class_names": ["cat", 1]}, "class_names[1]=1: must be text"),
        ({"class_names": ["one"]}, "class_names=['one']: must be 2 names"),
        ({"input.size": 0}, "input.size=0: must be an integer >= 1"),
        ({"input.size": 1 << 17}, "input.size=131072: must be an integer <= 65536"),
        ({"input.channels": 0}, "input.channels=0: must be an integer >= 1"),
        ({"input.channels": 2}, "input: channels=2: must be 1 or 3"),
        ({"input.channels": 1}, "input: mean=[0.5, 0.4, 0.3]: must have one number per channel, 1"),
        ({"input.fit": "zoom"}, "input.fit='zoom': "),
        ({"input.background": [0, 0]}, "input.background=[0, 0]: must be a list of length >= 3"),
        ({"input.background": [0, 0, 256]}, "input.background[2]=256: must be an integer <= 255"),
        ({"input.value_range": [1, 1]}, "input: value_range=[1, 1]: must rise"),
        ({"input.std": [1, 1, 0]}, "input: std=[1, 1, 0]: must be numbers above 0"),
        ({"input.mean": [float("nan")] * 3}, "input.mean[0]=nan: must be a number >= "),
        ({"input.mean": [float("inf")] * 3}, "input.mean[0]=inf: must be a number <= "),
        ({"input.mean": [True] * 3}, "input.mean[0]=True: must be a number"),
        ({"input.mean": [0.5]}, "input: mean=[0.5]: must have one number per channel, 3"),
        ({"input.mean": [0.5] * 4}, "input.mean=[0.5, 0.5, 0.5, 0.5]: must be a list of length <= 3"),
        ({"input.extra": 1}, "input.extra is not a known key"),
        ({"info": []}, "info=[]: must be a mapping"),
        ({"quantization": 8}, "quantization=8: must be a mapping or none"),
    ],
)
def test_impossible_values_are_named(changes, message):
    with pytest.raises(InputError) as caught:
        ModelCard.from_json(make(**changes))
    assert str(caught.value).startswith(message)


def test_keys_of_later_versions_are_ignored():
    assert ModelCard.from_json(make(tensors={})) == ModelCard.from_json(make())


def test_a_long_value_is_cut():
    with pytest.raises(InputError) as caught:
        ModelCard.from_json(make(class_names=["x" * 1000]))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("key", ["architecture", "class_names", "input", "info"])
def test_a_missing_part_is_named(key):
    content = make()
    del content[key]
    with pytest.raises(InputError, match=f"^{key} is missing$"):
        ModelCard.from_json(content)

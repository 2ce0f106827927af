import pytest

from compression.commands.fact_lines import describe_notes
from compression.core.model_card import ModelCard


def make(info, names=("cat", "dog", "frog")):
    return ModelCard.from_json(
        {
            "architecture": {"target": "my_nets.Net", "num_classes": len(names)},
            "class_names": list(names),
            "input": {"size": 32, "mean": [0, 0, 0], "std": [1, 1, 1]},
            "info": info,
        }
    )


def test_facts_are_in_words():
    lines = describe_notes(
        make(
            {
                "strategy": "gmp",
                "data": {"name": "digits", "fingerprint": "0123456789abcdef", "images": {"train": 1200, "val": 8}},
                "stages": ["dense", "prune"],
                "validation": {"correct": [3, 2, 1], "images": [4, 2, 2]},
            }
        )
    )
    assert lines == {
        "strategy": "gmp",
        "data": "digits, fingerprint 0123456789abcdef; images: 1,200 training, 8 held-out training",
        "stages": "dense, prune",
        # 6 of 8; classes with 3/4, 2/2 and 1/2.
        "validation": "75.00 % of 8 held-out training images (95 % interval 40.93 to 92.85 %), balanced 75.00 %",
        "by class": "frog 50.0 %, cat 75.0 %, dog 100.0 %",
    }


def test_many_classes_are_counted():
    names = [f"class{index}" for index in range(12)]
    lines = describe_notes(make({"validation": {"correct": list(range(12)), "images": [12] * 12}}, names))
    assert lines["by class"].startswith("class0 0.0 %, class1 8.3 %, ")
    assert lines["by class"].endswith(", class9 75.0 % and 2 more")


@pytest.mark.parametrize("value", ["text", 3, None, [1, 2]])
def test_other_notes_stay_as_they_are(value):
    assert describe_notes(make({"data": value, "validation": value})) == {"data": str(value), "validation": str(value)}
    assert describe_notes(make({"versions": {"torch": "2.15"}})) == {"versions": "torch 2.15"}

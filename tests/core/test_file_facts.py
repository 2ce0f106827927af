import pytest

from compression.core.file_facts import DataFacts, FileFacts, Validation, read_facts

INFO = {
    "strategy": "gmp",
    "data": {"name": "digits", "fingerprint": "0123456789abcdef", "images": {"train": 9, "val": 4, "test": 5}},
    "seed": 42,
    "stages": ["dense", "prune"],
    "validation": {"correct": [1, 2, 0], "images": [2, 2, 0]},
}


def test_the_facts_of_a_run():
    facts = read_facts(INFO, num_classes=3)
    assert facts == FileFacts(
        DataFacts("digits", "0123456789abcdef", {"train": 9, "val": 4, "test": 5}),
        42,
        ["dense", "prune"],
        Validation([1, 2, 0], [2, 2, 0]),
    )
    assert DataFacts("x", "y", {"test": 3, "other": 4, "train": 5}).parts == {"training": 5, "test": 3, "other": 4}
    # By hand: 3 of 4 images, classes with 1/2 and 2/2, and a class without images.
    assert facts.validation.accuracy == 0.75
    assert facts.validation.recalls == {0: 0.5, 1: 1.0}
    assert facts.validation.balanced_accuracy == 0.75


@pytest.mark.parametrize(
    "info",
    [
        {},
        {"data": "digits", "seed": "x", "stages": 3, "validation": [1]},
        {"data": {"name": 3}, "validation": {"correct": [3], "images": [2]}},
        {"validation": {"correct": [1], "images": [1]}},
        {"validation": {"correct": [0, 0, 0], "images": [0, 0, 0]}},
        {"validation": {"correct": [1, 1], "images": [1, 1, 1]}},
        {"validation": {"correct": [-1, 1, 1], "images": [1, 1, 1]}},
    ],
)
def test_notes_that_are_no_facts_are_ignored(info):
    assert read_facts(info, num_classes=3) == FileFacts()

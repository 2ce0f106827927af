import pytest
import torch

from compression.data.base import ImageData, Split
from compression.data.intake_line import describe_classes, intake_line


def make_part(labels):
    return Split(torch.zeros(len(labels), 3, 8, 8, dtype=torch.uint8), torch.tensor(labels))


def test_line_by_hand():
    data = ImageData(
        name="tiles",
        class_names=("crack", "free", "pore"),
        image_size=8,
        mean=(0.5,) * 3,
        std=(0.5,) * 3,
        train=make_part([1] * 7 + [0] * 2 + [2]),
        val=make_part([1]),
        test=make_part([1, 0, 2]),
        shapes="1:2.7 to 2.7:1, padded on white",
    )
    line = "3 classes: free 9, crack 3, pore 2; train 10, val 1, test 3; 1:2.7 to 2.7:1, padded on white"
    assert intake_line(data) == line
    assert intake_line(data, mirrored=True) == f"{line}; mirrored in training"


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"a": 1200, "b": 3}, "2 classes: a 1,200, b 3"),
        ({"a": 1, "b": 3, "c": 9, "d": 2, "e": 5}, "5 classes: c 9, e 5, ... a 1"),
        (dict.fromkeys("abcde", 6000), "5 classes of 6,000: a, b, ... e"),
        ({"a": 5, "b": 5}, "2 classes of 5: a, b"),
    ],
)
def test_classes_in_words(counts, words):
    assert describe_classes(counts) == words

import pytest
import torch

from compression.data.base import ImageData, Split
from compression.data.small_parts import describe_step, list_size_warnings

NAMES = ("free", "crack", "fray")


@pytest.mark.parametrize(
    ("counts", "monitor", "line"),
    [
        ((80, 15, 5), "accuracy", None),
        ((14, 4, 2), "accuracy", "validation has 20 images, so one of them is 5.0 points of accuracy"),
        ((80, 15, 4), "accuracy", "validation has 99 images, so one of them is 1.0 points of accuracy"),
        # 100 / (3 * 5).
        ((80, 15, 5), "balanced_accuracy", "validation has 5 images of class fray, so one of them is 6.7 points of"),
        ((80, 15, 1), "macro_f1", "validation has 1 image of class fray, so one of them is 33.3 points of macro F1"),
        ((80, 40, 34), "balanced_accuracy", None),
        ((80, 0, 50), "balanced_accuracy", None),
        ((0, 0, 0), "accuracy", None),
    ],
)
def test_a_line_where_one_image_is_more_than_a_point(counts, monitor, line):
    found = describe_step(counts, class_names=NAMES, monitor=monitor)
    assert [text[: len(line or "")] for text in found] == ([] if line is None else [line])


def test_the_validation_part_is_counted():
    split = {
        count: Split(torch.zeros(count, 3, 8, 8, dtype=torch.uint8), torch.arange(count) % 2) for count in (10, 400)
    }
    data = ImageData("any", ("a", "b"), 8, (0, 0, 0), (1, 1, 1), train=split[400], val=split[10], test=split[400])
    [line] = list_size_warnings(data, monitor="accuracy")
    assert line == (
        "validation has 10 images, so one of them is 10.0 points of accuracy: a larger data.val_fraction makes the "
        "choice of an epoch less of a chance"
    )

import numpy as np
import pytest
from sample_predictions import CIFAR10

from compression.analysis.confusions import (
    CIFAR10_GROUPS,
    Confusion,
    GroupErrors,
    choose_groups,
    count_group_errors,
    top_confusions,
)
from compression.core.errors import InputError

MATRIX = np.array([[5, 3, 0], [3, 9, 0], [1, 0, 0]])


def test_confusions_by_hand():
    # Of two confusions with three images, the larger share of its class comes first: 3 of 8 before 3 of 12.
    assert top_confusions(MATRIX, limit=2) == [Confusion(0, 1, 3, 3 / 8), Confusion(1, 0, 3, 3 / 12)]
    assert top_confusions(MATRIX, limit=9)[2:] == [Confusion(2, 0, 1, 1.0)]
    assert top_confusions(np.diag([3, 4]), limit=9) == []


def test_the_matrix_is_left_unchanged():
    matrix = MATRIX.copy()
    top_confusions(matrix, limit=1)
    count_group_errors(matrix, groups={}, class_names="abc")
    assert (matrix == MATRIX).all()


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"x": "ab", "y": "c"}, GroupErrors(within=6, between=1, outside=0)),
        ({"x": "ab"}, GroupErrors(within=6, between=0, outside=1)),
        ({"x": "a", "y": "b"}, GroupErrors(within=0, between=6, outside=1)),
        ({}, GroupErrors(within=0, between=0, outside=7)),
    ],
)
def test_errors_by_group(groups, expected):
    assert count_group_errors(MATRIX, groups=groups, class_names="abc") == expected
    assert expected.total == 7


def test_groups_of_cifar10_are_the_default_of_its_ten_classes():
    assert choose_groups(None, class_names=CIFAR10) == CIFAR10_GROUPS
    assert choose_groups({}, class_names=sorted(CIFAR10)) == CIFAR10_GROUPS
    assert choose_groups({}, class_names=CIFAR10[:9]) == {}
    assert choose_groups({"pets": ["cat", "dog"]}, class_names=CIFAR10) == {"pets": ("cat", "dog")}


def test_groups_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="class group x: d is not a class of the model"):
        choose_groups({"x": ["a", "d"]}, class_names="abc")
    with pytest.raises(InputError, match="class group y: class a is in group x too"):
        choose_groups({"x": ["a"], "y": ["a"]}, class_names="abc")

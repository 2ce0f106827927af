from pathlib import Path

import pytest

from compression.core.errors import InputError
from compression.data.intake_check import inspect_images, refuse_damaged


def inspect(rows, damaged=None):
    names, digests, classes, tests = zip(*rows, strict=True)
    return inspect_images(names=names, digests=digests, class_of=classes, is_test=tests, damaged=damaged or {})


def test_no_warnings():
    intake = inspect([("a", "1", "cat", False), ("b", "1", "cat", False), ("c", "2", "cat", True)])
    assert intake.list_warnings() == ()
    assert intake.train_counts == {"cat": 2}


def test_images_in_train_and_test_are_paired():
    intake = inspect([("a", "1", "cat", False), ("b", "2", "dog", False), ("t", "2", "dog", True)])
    assert intake.repeated == (("b", "t"),)
    assert intake.list_warnings() == ("1 test images are in train too, so test accuracy is too high: b = t",)


def test_imbalance_above_ten_to_one_gives_a_warning():
    rows = [("x", str(i), "cat", False) for i in range(22)] + [("y", f"d{i}", "dog", False) for i in range(2)]
    assert inspect(rows).imbalance == 11
    assert inspect(rows).list_warnings() == ("heavy imbalance: 22 training images of cat, 2 of dog (11.0 to 1)",)
    assert inspect(rows[2:]).list_warnings() == ()


def test_damaged_files_are_counted_and_the_first_named():
    damaged = {f"{i}.png": "truncated" for i in range(5)}
    message = "5 damaged images: 0.png (truncated), 1.png (truncated), 2.png (truncated) and 2 more"
    with pytest.raises(InputError) as caught:
        refuse_damaged(Path("pictures"), damaged)
    assert str(caught.value).startswith(f"data.root=pictures: {message}")
    assert str(caught.value).endswith("set data.skip_corrupt=true to leave them out")
    intake = inspect([("a", "1", "cat", False)], damaged)
    assert intake.list_warnings()[0].startswith("5 damaged images left out: 0.png (truncated)")
    refuse_damaged(Path("pictures"), {})

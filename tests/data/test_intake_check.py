from collections import Counter
from pathlib import Path

import pytest

from compression.core.errors import InputError
from compression.data.equal_images import Overlap
from compression.data.intake_check import Intake, describe_missed, inspect_images, refuse_damaged
from compression.data.walk_folder import PassedOver


def inspect(rows, damaged=None):
    names, digests, classes, parts = zip(*rows, strict=True)
    return inspect_images(names=names, digests=digests, class_of=classes, parts=parts, damaged=damaged or {})


def test_no_warnings():
    intake = inspect([("a", "1", "cat", "train"), ("b", "1", "cat", "train"), ("c", "2", "cat", "test")])
    assert intake.list_warnings() == ()
    assert intake.train_counts == {"cat": 2}


def test_images_in_two_parts_are_paired():
    rows = [("a", "1", "cat", "train"), ("b", "2", "dog", "train"), ("t", "2", "dog", "test"), ("v", "1", "cat", "val")]
    intake = inspect([*rows, ("u", "1", "cat", "test")])
    assert intake.overlaps == (
        Overlap("train", "test", (("b", "t"), ("a", "u"))),
        Overlap("train", "val", (("a", "v"),)),
        Overlap("val", "test", (("v", "u"),)),
    )
    assert intake.list_warnings() == (
        "2 test images also in train, so test accuracy is too high: b = t, a = u",
        "1 val image also in train, so validation accuracy is too high: a = v",
        "1 test image also in val, so test accuracy is too high: v = u",
    )


def test_imbalance_above_ten_to_one_gives_a_warning():
    rows = [("x", str(i), "cat", "train") for i in range(22)] + [("y", f"d{i}", "dog", "val") for i in range(2)]
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
    intake = inspect([("a", "1", "cat", "train")], damaged)
    assert intake.list_warnings()[0].startswith("5 damaged images left out: 0.png (truncated)")
    refuse_damaged(Path("pictures"), {})


def test_every_finding_has_its_line():
    intake = Intake(
        damaged={},
        overlaps=(),
        train_counts={"cat": 1},
        num_images=100,
        faults={"a/loop": "dead link"},
        conflicts=(("a/1", "b/1"),),
        near=(Overlap("train", "test", (("a/2", "a/3"),)),),
        straddling=("part7",),
        constant=("c1", "c2", "c3"),
        equal=(("e1", "e2"),) * 4,
        masks=("5 images are probably masks",),
        passed_over=PassedOver(unread=Counter(tga=4, jp2=1200), homeless=Counter({"": 2, "masks": 3})),
    )
    assert intake.list_warnings() == (
        "1 path left out: a/loop (dead link)",
        (
            "images passed over: 1,200 jp2, 4 tga (formats that are not read); "
            "3 in masks, 2 in the root folder, in no class folder"
        ),
        "1 image with the content of an image of another class: a/1 = b/1",
        "5 images are probably masks",
        "1 test image nearly equal to one in train, so test accuracy may be too high: a/2 ~ a/3",
        "1 group of data.group_pattern with images in two parts: part7",
        "3 of 100 images have one colour all over: c1, c2, c3",
        "4 of 100 images equal another after decoding: e1 = e2, e1 = e2, e1 = e2 and 1 more",
    )


@pytest.mark.parametrize(("num_images", "told"), [(150, True), (151, False)])
def test_a_few_constant_images_of_many_are_not_told(num_images, told):
    intake = Intake({}, (), {"cat": 1}, num_images, constant=("c1", "c2", "c3"))
    assert bool(intake.list_warnings()) is told


def test_nothing_is_missed():
    assert describe_missed(PassedOver(others=Counter(txt=3), hidden=2, system=1, unwanted=4)) == ""

from pathlib import Path

import pytest

from compression.core.errors import InputError
from compression.data.folder_division import Division
from compression.data.listing import FolderListing


def list_images(labels, *, parts=None):
    names = tuple(f"{'ab'[label]}/{row:02}.png" for row, label in enumerate(labels))
    return FolderListing(Path("root"), ("a", "b"), names, tuple(labels), parts)


def divide(division, digests, *, seed=0):
    found = division.divide(range(len(digests)), digests=digests, seed=seed)
    return {part: rows.tolist() for part, rows in found.items()}


def test_each_image_is_tested_in_one_fold():
    listing = list_images([0, 1] * 9)
    digests = [f"{row:02}" for row in range(18)]
    tested = []
    for fold in (1, 2, 3):
        parts = divide(Division(listing, 0.2, 0.2, folds=(3, fold)), digests)
        assert sorted(row for rows in parts.values() for row in rows) == list(range(18))
        tested += parts["test"]
    assert sorted(tested) == list(range(18))


def test_groups_and_copies_are_tested_together():
    listing = list_images([0, 1] * 12)
    digests = [f"{row:02}" for row in range(24)]
    # Rows 0 and 2 are one group, rows 2 and 22 one content: all three belong together.
    digests[22] = digests[2]
    groups = [f"group{row}" for row in range(24)]
    groups[2] = groups[0]
    for fold in (1, 2, 3):
        parts = divide(Division(listing, 0.2, 0.2, groups=groups, folds=(3, fold)), digests)
        assert len({0, 2, 22} & set(parts["test"])) in (0, 3)


def test_the_test_part_follows_content_and_the_val_part_the_seed():
    listing = list_images([0, 1] * 15)
    digests = [f"{(7 * row) % 30:02}" for row in range(30)]
    first, second = (divide(Division(listing, 0.2, 0.2), digests, seed=seed) for seed in (1, 2))
    assert first["test"] == second["test"]
    assert first["val"] != second["val"]


def test_too_few_groups_for_the_folds_are_refused():
    groups = [f"group{row % 6}" for row in range(12)]
    division = Division(list_images([0, 1] * 6), 0.2, 0.2, groups=groups, folds=(4, 1))
    with pytest.raises(InputError, match="class a has 3 groups of images"):
        division.check()


def test_too_few_images_for_two_folds_are_refused():
    division = Division(list_images([0] * 8 + [1] * 3), 0.2, 0.2, folds=(2, 1))
    with pytest.raises(
        InputError, match=r"data.folds=2: class b has 3 images, too few to train, validate and test in each;"
    ):
        division.check()
    Division(list_images([0] * 8 + [1] * 4), 0.2, 0.2, folds=(2, 1)).check()
    Division(list_images([0] * 8 + [1] * 3), 0.2, 0.2, folds=(3, 1)).check()


def test_a_class_without_a_usable_image_in_a_part_is_named():
    listing = list_images([0, 1, 0, 1, 0, 1], parts=("train",) * 4 + ("test",) * 2)
    with pytest.raises(InputError, match="class b has no readable image left for test"):
        Division(listing, 0.5, 0.2).divide(range(5), digests=list("abcdef"), seed=0)


def test_folds_say_that_they_divide_the_test_part_too():
    listing = list_images([0, 1, 0, 1], parts=("train", "train", "test", "test"))
    assert Division(listing, 0.5, 0.2).describe_folds() == []
    assert (
        "divides all images, those in test and train" in Division(listing, 0.5, 0.2, folds=(2, 1)).describe_folds()[0]
    )

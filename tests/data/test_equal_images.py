from pathlib import Path

import numpy as np
import pytest

from compression.core.errors import InputError
from compression.data.equal_images import (
    Overlap,
    find_conflicts,
    find_constant,
    find_equal_pixels,
    find_overlaps,
    name_pairs,
    refuse_conflicts,
)
from compression.data.normalization import sum_pixels
from compression.data.thumbnails import make_thumbnails


def test_overlaps_of_all_parts():
    names, digests = list("abcdef"), ["1", "2", "1", "2", "3", "3"]
    parts = ["train", "val", "test", "test", "train", "train"]
    assert find_overlaps(names, digests, parts) == (
        Overlap("train", "test", (("a", "c"),)),
        Overlap("val", "test", (("b", "d"),)),
    )
    assert find_overlaps(names, list("123456"), parts) == ()


def test_conflicts_by_hand():
    assert find_conflicts(list("abcd"), ["1", "1", "1", "2"], ["cat", "dog", "cat", "dog"]) == (("a", "b"),)
    assert find_conflicts(list("ab"), ["1", "1"], ["cat", "cat"]) == ()


def test_conflicts_are_refused_in_one_line():
    refuse_conflicts(Path("pictures"), ())
    with pytest.raises(InputError) as caught:
        refuse_conflicts(Path("pictures"), (("cat/1", "dog/1"), ("cat/2", "dog/2")))
    assert str(caught.value) == (
        "data.root=pictures: 2 images with the content of an image of another class: cat/1 = dog/1, cat/2 = dog/2; "
        "remove the wrong ones, or set data.allow_conflicts=true to train on them"
    )


@pytest.mark.parametrize("channels", [1, 3])
def test_constant_images(channels):
    images = np.full((3, channels, 8, 8), 200, np.uint8)
    images[1, -1, 7, 7] = 201
    images[2] = 0
    assert find_constant(sum_pixels(images), pixels_per_image=64).tolist() == [0, 2]


def test_equal_pixels_but_not_mirrored_ones():
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    images[2] = images[0]
    images[3] = images[0, :, :, ::-1]
    images[4] = images[0]
    assert find_equal_pixels(sum_pixels(images), make_thumbnails(images)) == [(2, 0), (4, 0)]


def test_pairs_are_shortened():
    assert name_pairs([("a", "b")] * 4, sign="~") == "a ~ b, a ~ b, a ~ b and 1 more"

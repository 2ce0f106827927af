import numpy as np
import pytest

from compression.data.probable_masks import describe_masks


def describe(names, two_values=()):
    return describe_masks(names, np.array([2 if name in two_values else 0 for name in names], np.uint8))


def number(pattern, num):
    return [pattern.format(index) for index in range(num)]


def test_two_extensions_of_one_stem():
    photographs, masks = number("bad/{}.jpg", 5), number("bad/{}.png", 5)
    assert describe(sorted(photographs + masks + number("good/{}.jpg", 9))) == (
        (
            "5 images have the name of another image in their folder, probably masks: bad/0.png, bad/1.png and 3 more; "
            "data.exclude='[*.png]' leaves them out"
        ),
    )


@pytest.mark.parametrize(
    "names",
    [
        number("a/{}.jpg", 9),
        number("a/{}.jpg", 9) + number("b/{}.png", 9),
        number("a/{}.jpg", 9) + number("a/{}.png", 2),
        number("a/{}.jpg", 9) + number("a/{}.png", 4) + number("a/x{}.png", 6),
        number("a/{}_mask.png", 9),
    ],
)
def test_no_masks(names):
    assert describe(names) == ()


def test_a_word_behind_the_stem():
    names = number("a/{}.png", 4) + number("a/{}_mask.png", 4) + number("a/{}-GT.png", 3)
    assert describe(names) == (
        (
            "4 images have the name of another image in their folder, "
            "probably masks: a/0_mask.png, a/1_mask.png and 2 more; "
            "data.exclude='[*_mask.*]' leaves them out"
        ),
        (
            "3 images have the name of another image in their folder, "
            "probably masks: a/0-GT.png, a/1-GT.png and 1 more; "
            "data.exclude='[*-GT.*]' leaves them out"
        ),
    )


def test_two_values_beside_photographs():
    photographs, flat = number("a/{}.jpg", 4), number("truth/{}.bmp", 3)
    assert describe(photographs + flat, flat) == (
        (
            "3 of 7 images have only two values, probably masks: truth/0.bmp, truth/1.bmp and 1 more; "
            "data.exclude='[*.bmp]' leaves them out"
        ),
    )
    mixed = [*flat, "truth/x.png", "a/photo.png"]
    assert describe(photographs + mixed, [*flat, "truth/x.png"])[0].endswith("; data.exclude leaves out what it names")


def test_data_of_two_values_alone_is_not_told():
    assert describe(number("a/{}.png", 9), number("a/{}.png", 9)) == ()


def test_masks_are_told_once():
    names = number("bad/{}.jpg", 5) + number("bad/{}.png", 5)
    assert len(describe(names, number("bad/{}.png", 5))) == 1

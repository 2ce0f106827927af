from pathlib import Path

import pytest

from compression.core.errors import InputError
from compression.data.folder_levels import refuse_extra_level

ROOT = Path("zoo")


def spread(*folders):
    """Return one image for each folder, by the class folder, which is the first."""
    classes = {}
    for folder in folders:
        classes.setdefault(folder.partition("/")[0], []).append(f"{folder}/1.jpg")
    return classes


@pytest.mark.parametrize(
    ("folders", "found"),
    [
        (
            ("animals/cat", "animals/dog", "vehicles/car"),
            (
                "Class folders hold only folders: animals (cat, dog); set data.root to the folder around the classes, "
                "such as zoo/animals, or move the inner folders up; data.allow_nested=true takes animals as classes"
            ),
        ),
        (("animals/dog", "vehicles/car"), "only folders: animals (dog), vehicles (car); set"),
        (
            ("fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog"),
            "with the same names in each: fold1 (cat, dog), fold2 (cat",
        ),
        (("images/train/cat", "images/test/cat"), "only folders: images (test, train); set data.root to the folder "),
        (("cat", "dog", "extra/bird", "extra/fish"), "only folders: extra (bird, fish)"),
        (("all/one/cat",), "only folders: all (one)"),
    ],
)
def test_a_level_too_many_is_refused(folders, found):
    with pytest.raises(InputError) as caught:
        refuse_extra_level(ROOT, spread(*folders))
    assert str(caught.value).startswith("data.root=zoo: a level too many? Class folders hold only folders")
    assert found in str(caught.value)


@pytest.mark.parametrize(
    "folders",
    [
        ("cat", "dog"),
        ("cat", "dog/inner"),
        ("cat/images", "dog/images"),
        ("cat", "cat/more", "cat/most", "dog"),
    ],
)
def test_these_levels_do_no_harm(folders):
    refuse_extra_level(ROOT, spread(*folders))


def test_parts_do_not_count_as_a_level():
    refuse_extra_level(ROOT, {"train/cat": ["train/cat/1.jpg"], "test/cat": ["test/cat/1.jpg"], "test/dog": []})

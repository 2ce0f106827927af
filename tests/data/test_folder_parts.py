import pytest

from compression.core.errors import InputError
from compression.data.folder_parts import find_parts


def make(root, *folders):
    for folder in folders:
        (root / folder).mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("folders", "parts"),
    [
        (("train", "test"), {"train": "train", "test": "test"}),
        (("Training", "Testing"), {"train": "Training", "test": "Testing"}),
        (("Train", "Test", "VALID"), {"train": "Train", "val": "VALID", "test": "Test"}),
        (("TRAINING", "test", "validation"), {"train": "TRAINING", "val": "validation", "test": "test"}),
        (("Val", "masks", "testing", "train"), {"train": "train", "val": "Val", "test": "testing"}),
        (("cat", "dog"), None),
        (("trains", "tests"), None),
    ],
)
def test_spellings(tmp_path, folders, parts):
    assert find_parts(tmp_path, folders) == parts


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        (("Training/cat", "dog"), "holds Training but no test folder; allowed is both, or neither"),
        (("Test/cat", "dog"), "holds Test but no train folder; allowed is both, or neither"),
        (("valid/cat", "dog"), "holds valid but no train folder"),
    ],
)
def test_a_part_alone_is_refused(tmp_path, folders, message):
    make(tmp_path, *folders)
    with pytest.raises(InputError, match=message):
        find_parts(tmp_path, [folder.partition("/")[0] for folder in folders])


def test_a_class_with_the_name_of_a_part(tmp_path):
    assert find_parts(make(tmp_path, "train", "car"), ["train", "car"]) is None


def test_two_folders_of_one_part_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds Train and training; allowed is one folder for each part"):
        find_parts(tmp_path, ["Train", "test", "training"])

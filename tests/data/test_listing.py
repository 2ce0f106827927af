import pytest

from compression.core.errors import InputError
from compression.data.listing import check_can_split, list_folder


def test_lists_split_folder_sorted(split_folder):
    listing = list_folder(split_folder)
    assert listing.class_names == ("cat", "dog")
    assert listing.names[0] == "test/cat/000.png"
    assert list(listing.names) == sorted(listing.names)
    assert [listing.parts.count(part) for part in ("train", "val", "test")] == [40, 0, 10]
    assert listing.labels[-1] == 1


def test_lists_plain_folder(write_folder):
    listing = list_folder(write_folder({"b": 2, "a": 3, "c/inner": 1}))
    assert listing.class_names == ("a", "b", "c")
    assert listing.parts is None
    assert listing.labels == (0, 0, 0, 1, 1, 2)
    assert listing.names[-1] == "c/inner/000.png"


def test_hidden_and_other_files_are_skipped(write_folder):
    root = write_folder({"a": 2, "b": 2, ".thumbnails": 1})
    (root / "a" / "._000.png").write_bytes(b"")
    (root / "a" / "notes.txt").write_text("x")
    (root / "readme.txt").write_text("x")
    (root / "a" / "000.png").rename(root / "a" / "000.PNG")
    assert list_folder(root).names == ("a/000.PNG", "a/001.png", "b/000.png", "b/001.png")


def test_class_called_train_is_not_a_part(write_folder):
    assert list_folder(write_folder({"car": 3, "train": 3})).class_names == ("car", "train")


def test_missing_root(tmp_path):
    with pytest.raises(InputError, match=r"data.root=.*gone: no such folder; allowed is a folder of class"):
        list_folder(tmp_path / "gone")


def test_root_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file: not a folder"):
        list_folder(tmp_path / "file")


def test_root_without_folders(tmp_path):
    with pytest.raises(InputError, match="holds no class folders"):
        list_folder(tmp_path)


def test_one_class(write_folder):
    with pytest.raises(InputError, match=r"has one class \(cat\); allowed is two or more"):
        list_folder(write_folder({"cat": 3}))


@pytest.mark.parametrize("empty", ["train/owl", "test/owl"])
def test_empty_class(write_folder, empty):
    root = write_folder({"train/cat": 2, "test/cat": 2, "train/owl": 2, "test/owl": 2})
    for file in (root / empty).iterdir():
        file.unlink()
    with pytest.raises(InputError, match=f"{empty[:-4]}: class owl is empty; allowed is at least one image"):
        list_folder(root)


def test_class_in_train_alone(write_folder):
    root = write_folder({"train/cat": 2, "train/owl": 2, "train/dog": 2, "test/cat": 2, "test/dog": 2})
    with pytest.raises(InputError, match="class owl is in train but not in test"):
        list_folder(root)


def test_class_in_test_alone(write_folder):
    root = write_folder({"train/cat": 2, "train/dog": 2, "test/cat": 2, "test/dog": 2, "test/emu": 1})
    with pytest.raises(InputError, match="class emu is in test but not in train"):
        list_folder(root)


def test_train_without_test(write_folder):
    with pytest.raises(InputError, match="holds train but no test folder"):
        list_folder(write_folder({"train/cat": 2, "train/dog": 2}))


def test_class_too_small_to_split(write_folder):
    with pytest.raises(InputError, match="class cat has fewer than 3 images"):
        check_can_split(list_folder(write_folder({"cat": 2, "dog": 3}, name="plain")))
    with pytest.raises(InputError, match="class cat has fewer than 2 images"):
        check_can_split(
            list_folder(write_folder({"train/cat": 1, "train/dog": 2, "test/cat": 1, "test/dog": 1}, name="two"))
        )
    parts = {f"{part}/{name}": 1 for part in ("train", "val", "test") for name in ("cat", "dog")}
    check_can_split(list_folder(write_folder(parts, name="three")))

import shutil

import pytest

from compression.core.errors import InputError
from compression.data.listing import check_can_split, list_folder, refuse_faults
from compression.data.path_patterns import PathPatterns


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


def test_parts_in_other_spellings(write_folder):
    root = write_folder({"Training/cat": 2, "Training/dog": 1, "Testing/cat": 1, "Testing/dog": 1, "valid/cat": 1})
    (root / "valid" / "dog").mkdir()
    shutil.copy(root / "valid" / "cat" / "000.png", root / "valid" / "dog" / "000.png")
    listing = list_folder(root)
    assert listing.class_names == ("cat", "dog")
    assert listing.part_folders == {"train": "Training", "val": "valid", "test": "Testing"}
    assert [listing.parts.count(part) for part in ("train", "val", "test")] == [3, 2, 2]
    assert listing.names[0] == "Testing/cat/000.png"


def test_images_outside_of_the_class_folders_are_counted(write_folder):
    root = write_folder(
        {"train/a": 2, "train/b": 2, "test/a": 1, "test/b": 1, "masks/a": 3, "unlabelled": 2, "train": 1}
    )
    (root / "stray.jpg").write_bytes(b"x")
    (root / "test" / "a" / "x.tga").write_bytes(b"x")
    passed = list_folder(root).passed_over
    assert passed.homeless == {"": 1, "masks": 3, "unlabelled": 2, "train": 1}
    assert passed.unread == {"tga": 1}


def test_a_level_too_many_is_refused_and_can_be_allowed(write_folder):
    root = write_folder({"animals/cat": 2, "animals/dog": 2, "vehicles/car": 2, "vehicles/bus": 2})
    with pytest.raises(InputError, match=r"a level too many\? .* animals \(cat, dog\), vehicles \(bus, car\)"):
        list_folder(root)
    assert list_folder(root, allow_nested=True).class_names == ("animals", "vehicles")


def test_patterns_choose_images_and_whole_classes(write_folder):
    root = write_folder({"a": 3, "b": 2, "masks": 4})
    (root / "a" / "000_mask.png").write_bytes(b"x")
    listing = list_folder(root, patterns=PathPatterns(exclude=("masks/*", "*_mask.png")))
    assert (listing.class_names, len(listing.names)) == (("a", "b"), 5)
    assert listing.passed_over.unwanted == 5
    with pytest.raises(InputError, match=r"data\.include and data\.exclude leave no image"):
        list_folder(root, patterns=PathPatterns(include=("*.jpg",)))


def test_an_empty_class_says_what_it_holds_instead(write_folder):
    root = write_folder({"a": 2, "b": 2, "c": 0})
    (root / "c" / "1.tga").write_bytes(b"x")
    with pytest.raises(InputError, match=r"class c is empty \(formats that are not read: 1 tga\)"):
        list_folder(root)
    (root / "c" / "1.jpg").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"class c is empty \(dead link\)"):
        list_folder(root)


def test_classes_whose_names_look_alike(write_folder):
    root = write_folder({"caf\xe9": 2, "cafe\u0301": 2}, name="plain")
    with pytest.raises(InputError) as caught:
        list_folder(root)
    assert r'"cafe\u0301" (NFD) and "caf\xe9" (NFC) are one name in two Unicode forms; rename one' in str(caught.value)
    parts = {"train/caf\xe9": 2, "train/b": 2, "test/cafe\u0301": 2, "test/b": 2}
    with pytest.raises(InputError) as caught:
        list_folder(write_folder(parts, name="parts"))
    assert r'in train ("cafe\u0301" (NFD) and "caf\xe9" (NFC) are one name in two Unicode forms)' in str(caught.value)
    with pytest.raises(InputError, match=r'"Cat" and "cat" differ only in upper and lower case'):
        list_folder(write_folder({"train/cat": 2, "train/b": 2, "test/Cat": 2, "test/b": 2}, name="case"))


def test_faults_are_listed_and_refused_in_one_line(write_folder):
    root = write_folder({"a": 3, "b": 3})
    refuse_faults(list_folder(root))
    (root / "a" / "dead.png").symlink_to("nowhere.png")
    (root / "b" / "loop").symlink_to(root)
    listing = list_folder(root)
    assert listing.faults == {"a/dead.png": "dead link", "b/loop": "link to a folder around it"}
    with pytest.raises(InputError) as caught:
        refuse_faults(listing)
    assert str(caught.value) == (
        f"data.root={root}: 2 paths that cannot be used: a/dead.png (dead link), b/loop (link to a folder around it); "
        "repair or remove them, or set data.skip_corrupt=true to leave them out"
    )


def test_groups_too_few_to_split(write_folder):
    listing = list_folder(write_folder({"cat": 4, "dog": 4}))
    check_can_split(listing, groups=["a", "a", "b", "c", "d", "e", "f", "g"])
    with pytest.raises(InputError, match=r"class cat has fewer than 3 groups of images \(data\.group_pattern\)"):
        check_can_split(listing, groups=["a", "a", "b", "b", "d", "e", "f", "g"])

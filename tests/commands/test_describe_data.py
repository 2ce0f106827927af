import shutil

import numpy as np
import pytest
from PIL import Image
from small_files import run


def write_photographs(root, counts, *, size=(60, 40), seed=5):
    generator = np.random.default_rng(seed)
    for folder, count in counts.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            small = generator.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(root / folder / f"{index}.jpg")
    return root


def test_a_clean_folder(tmp_path):
    root = write_photographs(tmp_path / "tiles", {"free": 20, "crack": 10})
    # Always a PNG, whatever the name.
    picture = tmp_path / "sheet"
    result = run("data", root, "--picture", picture)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"{root}: 30 images, 2 classes; divided by a run\n"
        "\n"
        "class  images  train  val  test\n"
        "free       20     14    2     4\n"
        "crack      10      7    1     2\n"
        "all        30     21    3     6\n"
        "\n"
        "pixels           all 60 x 40\n"
        "width to height  all 1.5:1, mean 1.5:1: padded on white\n"
        "formats          JPEG 30\n"
        "modes            RGB 30\n"
        "\n"
        f"picture: {picture}\n"
    )
    with Image.open(picture) as sheet:
        # A column of names and eight images; a title and two classes.
        assert sheet.size == (150 + 8 * 104, 44 + 2 * 104)


def test_everything_that_is_wrong_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = write_photographs(tmp_path / "tiles", {f"{part}/{name}": 6 for part in ("Train", "TEST") for name in "ab"})
    for name in ("x.tga", "y.tga", "notes.txt", ".hidden"):
        (root / "Train" / "a" / name).write_bytes(b"x")
    (root / "Train" / "a" / "@eaDir").mkdir()
    shutil.copy(root / "Train" / "a" / "0.jpg", root / "Train" / "b" / "wrong.jpg")
    shutil.copy(root / "Train" / "a" / "1.jpg", root / "TEST" / "a" / "copy.jpg")
    (root / "Train" / "b" / "dead.png").symlink_to("nowhere")
    (root / "Train" / "b" / "broken.png").write_bytes(b"x")
    result = run("data", root, "--exclude", "*/5.jpg")
    assert result.exit_code == 1, result.output
    blocks = result.stdout.split("\n\n")
    divided = "divided by its folders: train in Train/, test in TEST/; a run takes val from train"
    assert blocks[0] == f"{root}: 22 images, 2 classes; {divided}"
    assert blocks[2].splitlines()[4:] == [
        "passed over      pictures: 2 tga (formats that are not read)",
        "                 4 images by --include and --exclude",
        "                 other files: txt 1",
        "                 hidden files and folders: 1",
        "                 folders of thumbnails and of systems: 1",
    ]
    # A run takes this image of train for val.
    copied = "Train/a/1.jpg = TEST/a/copy.jpg"
    assert blocks[3] == f"warning: 1 test image also in val, so test accuracy is too high: {copied}"
    assert blocks[4] == (
        "a run refuses 2 paths that cannot be used, unless data.skip_corrupt=true:\n"
        "  Train/b/dead.png: dead link\n"
        "  Train/b/broken.png: cannot identify image\n"
        "1 image with the content of one of another class, unless data.allow_conflicts=true:\n"
        "  Train/a/0.jpg = Train/b/wrong.jpg"
    )
    assert blocks[5] == "picture: tiles_sheet.png\n"
    assert (tmp_path / "tiles_sheet.png").is_file()


def test_many_damaged_files_are_cut_short(tmp_path):
    root = write_photographs(tmp_path / "tiles", {"a": 5, "b": 5})
    for index in range(14):
        (root / "a" / f"broken{index:02d}.png").write_bytes(b"x")
    lines = run("data", root, "--picture", tmp_path / "sheet.png").stdout.splitlines()
    assert lines[-4:-2] == ["  a/broken11.png: cannot identify image", "  and 2 more"]


def test_of_many_classes_the_largest_and_the_smallest_are_shown(tmp_path):
    root = write_photographs(tmp_path / "many", {f"c{index:02d}": 3 + index for index in range(26)}, size=(8, 8))
    lines = run("data", root, "--picture", tmp_path / "sheet.png").stdout.splitlines()
    rows = [line.split()[0] for line in lines[3:29]]
    assert rows == [f"c{n:02d}" for n in range(25, 13, -1)] + ["..."] + [f"c{n:02d}" for n in range(11, -1, -1)] + [
        "all"
    ]


def test_digits_by_name(tmp_path):
    result = run("data", "digits", "--picture", tmp_path / "digits.png")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("digits: 1,797 images, 10 classes\n\nclass  images  train  val  test\n")
    assert "all     1,797  1,293  144   360" in result.stdout
    assert (tmp_path / "digits.png").is_file()


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ({"animals/cat": 2, "animals/dog": 2}, "a level too many? Class folders hold only folders: animals (cat, dog)"),
        ({"cat": 2}, "has one class (cat)"),
    ],
)
def test_a_folder_without_classes_is_a_one_line_error(tmp_path, folders, message):
    root = write_photographs(tmp_path / "tiles", folders)
    result = run("data", root)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: data.root={root}: {message}")
    assert result.stderr.count("\n") == 1

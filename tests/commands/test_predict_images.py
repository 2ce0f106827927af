import csv
import os
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_files import ALLOW, run, save_colours

from compression.commands.predict_images import Prediction, write_csv
from compression.data.image_formats import EXTENSIONS


def test_predict_prints_a_table_and_writes_probabilities(folder, tmp_path):
    out = tmp_path / "out.csv"
    result = run("predict", folder / "own.cmp", folder / "images", *ALLOW, "--csv", out)
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    # Logits are +1 and -1 (red and blue normalized): the sigmoid of 2 is 0.881.
    assert lines == [
        ["file", "class", "probability"],
        [str(folder / "images" / "a.bmp"), "red", "0.881"],
        [str(folder / "images" / "b.png"), "blue", "0.881"],
        [str(folder / "images" / "deep" / "c.PNG"), "red", "0.881"],
    ]
    rows = list(csv.reader(out.read_text().splitlines()))
    assert rows[0] == ["file", "class", "blue", "red"]
    assert rows[2] == [str(folder / "images" / "b.png"), "blue", "0.880797", "0.119203"]
    assert len(rows) == 4


def test_a_name_that_is_not_text_can_be_written(tmp_path):
    made = [Prediction(Path(os.fsdecode(b"\xff.png")), np.array([0.25, 0.75], np.float32))]
    write_csv(tmp_path / "out.csv", made, class_names=["a", "b"])
    [_, row] = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert row[1:] == ["b", "0.250000", "0.750000"]
    assert row[0].endswith(".png")


@pytest.mark.compiler
def test_engines_agree(folder):
    arguments = ("predict", folder / "own.cmp", folder / "images" / "b.png", *ALLOW)
    engines = ["eager", "onnxruntime", "sparse", *(["openvino"] if find_spec("openvino") else [])]
    tables = [run(*arguments, "--engine", engine, "--threads", 1).stdout for engine in engines]
    assert len(set(tables)) == 1
    assert "blue" in tables[0]


def test_predict_with_a_family(folder):
    result = run("predict", folder / "mobile.cmp", folder / "images" / "a.bmp", folder / "images" / "b.png")
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) == 3


IMAGES = ", ".join(extension[1:] for extension in EXTENSIONS)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("images/notes.txt", f"images/notes.txt is not an image; allowed: {IMAGES}"),
        ("nowhere.png", "nowhere.png does not exist; allowed: image files and folders of them"),
        ("empty", f"empty holds no images; allowed: {IMAGES}"),
        ("broken.png", "broken.png: not a readable image"),
    ],
)
def test_bad_images_are_named(folder, monkeypatch, image, message):
    monkeypatch.chdir(folder)
    result = run("predict", "mobile.cmp", image)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"error: {message}")
    assert result.stderr.count("\n") == 1


def test_custom_code_needs_allow_import(folder):
    result = run("predict", folder / "own.cmp", folder / "images")
    assert result.exit_code == 2
    assert result.stderr == (
        "error: model colour_net.Net is not one of compression.models and would run code of "
        "'colour_net'; allow it with allow=['colour_net'], "
        "on the command line --allow-import colour_net\n"
    )


@pytest.fixture
def mixed(tmp_path):
    """A folder with two images, links to one of them and to a folder, two damaged files and two bad links."""
    home = tmp_path / "mixed"
    (home / "@eaDir").mkdir(parents=True)
    away = tmp_path / "away"
    away.mkdir()
    for path, colour in ((home / "b.png", (0, 0, 255)), (away / "r.gif", (255, 0, 0)), (home / "@eaDir" / "t.png", 0)):
        Image.new("RGB", (20, 30), colour).save(path)
    (home / "link.png").symlink_to(home / "b.png")
    (home / "more").symlink_to(away)
    (home / "loop").symlink_to(home)
    (home / "dead.png").symlink_to("nowhere")
    for name in ("broken.png", "a.jpg"):
        (home / name).write_bytes(b"hello")
    return home


def test_skip_corrupt_goes_on_and_the_exit_code_says_so(folder, mixed, tmp_path):
    arguments = ("predict", folder / "own.cmp", mixed, *ALLOW)
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        f"error: 2 paths that cannot be used: {mixed}/dead.png (dead link), {mixed}/loop (link to a folder around it); "
        "repair or remove them, or pass --skip-corrupt\n"
    )
    out = tmp_path / "out.csv"
    result = run(*arguments, "--skip-corrupt", "--csv", out)
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.stdout.splitlines()[1:]] == [
        [str(mixed / "b.png"), "blue"],
        [str(mixed / "link.png"), "blue"],
        [str(mixed / "more" / "r.gif"), "red"],
    ]
    assert len(out.read_text().splitlines()) == 4
    assert result.stderr.splitlines() == [
        f"left out: {mixed}/dead.png: dead link",
        f"left out: {mixed}/loop: link to a folder around it",
        f"left out: {mixed}/a.jpg: not a readable image (cannot identify image)",
        f"left out: {mixed}/broken.png: not a readable image (cannot identify image)",
        "4 without a prediction",
    ]


def test_skip_corrupt_without_damage_succeeds(folder):
    result = run("predict", folder / "own.cmp", folder / "images", *ALLOW, "--skip-corrupt")
    assert (result.exit_code, result.stderr) == (0, "")


def test_an_image_given_twice_is_predicted_twice(folder):
    image = folder / "images" / "b.png"
    result = run("predict", folder / "own.cmp", image, image, *ALLOW)
    assert len(result.stdout.splitlines()) == 3


def test_a_folder_of_formats_that_are_not_read_names_them(folder, tmp_path):
    (tmp_path / "x.tga").write_bytes(b"x")
    result = run("predict", folder / "own.cmp", tmp_path, *ALLOW)
    assert result.stderr.startswith(f"error: {tmp_path} holds no images but 1 tga, which is not read; allowed: jpg")
    (tmp_path / "gone.png").symlink_to("nowhere")
    result = run("predict", folder / "own.cmp", tmp_path / "gone.png", *ALLOW)
    assert result.stderr.startswith(f"error: {tmp_path}/gone.png is a dead link; allowed")


def test_a_class_name_that_is_not_text_is_escaped(folder, tmp_path):
    save_colours(tmp_path / "m.cmp", names=["\ud800", "red"])
    out = tmp_path / "out.csv"
    result = run("predict", tmp_path / "m.cmp", folder / "images" / "b.png", *ALLOW, "--csv", out)
    assert result.exit_code == 0, result.output
    assert list(csv.reader(out.read_text().splitlines())) == [
        ["file", "class", r"\ud800", "red"],
        [str(folder / "images" / "b.png"), r"\ud800", "0.880797", "0.119203"],
    ]

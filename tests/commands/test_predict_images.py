import csv
from importlib.util import find_spec

import pytest
from small_files import ALLOW, run


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


IMAGES = "jpg, jpeg, png, ppm, bmp, pgm, tif, tiff, webp"


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

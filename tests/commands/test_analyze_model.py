"""The command ``analyze``: its files, and one line for each wrong input."""

import errno
import json
from pathlib import Path

import pytest
import torch
from colour_net import Net
from coloured_folders import save_folder
from page_text import Elements
from PIL import Image
from small_files import ALLOW, run, save_colours

from compression.artifact import save_artifact
from compression.reporting.write_failures import TITLES

GOLDEN = Path(__file__).parents[1] / "golden" / "v2"
ALONE = {name for name in TITLES if name not in ("per_class_change.png", "flipped_examples.png")}


def analyze(*arguments):
    return run("analyze", *arguments, *ALLOW)


def record_of(folder):
    return json.loads((folder / "failure_modes.json").read_text())


def refused(*arguments):
    """Return the only line of the error."""
    done = analyze(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    return line.removeprefix("error: ")


@pytest.fixture
def model(tmp_path):
    """A model that tells blue from red images without an error."""
    save_colours(tmp_path / "run" / "model.cmp")
    return tmp_path / "run" / "model.cmp"


def test_a_folder_of_images_is_analyzed_beside_the_file(model, tmp_path):
    images = save_folder(tmp_path / "images", {"blue": 3, "red": 5})
    done = analyze(model, "--data", images)
    assert done.exit_code == 0, done.output
    folder = model.parent / "analyze_model"
    written = {"failure_modes.json", "failure_mode_report.txt", "report.html"}
    assert {path.name for path in folder.iterdir()} == written | ALONE
    record = record_of(folder)
    assert (record["change"], record["layers"]) == (None, None)
    assert record["models"]["model"]["accuracy"]["value"] == 1
    assert record["models"]["model"]["confusion_matrix"] == [[3, 0], [0, 5]]
    assert record["models"]["model"]["confidence"]["temperature"] is None
    assert set(record["robustness"]) == {"noise", "blur", "contrast", "jpeg"}
    assert record["files"]["model"] == {"path": str(model), "arithmetic": "float32", "engine": "onnxruntime"}
    assert f"model: {model}, float32, run by onnxruntime" in done.stdout
    assert f"images: 8 images of {images}" in done.stdout
    assert "accuracy 100.00 %" in done.stdout
    assert f"in {folder}: report.html, failure_modes.json" in done.stdout


def test_in_a_divided_folder_only_test_images_count_and_val_fits_the_temperature(model, tmp_path):
    for part, count in (("train", 4), ("val", 3), ("test", 2)):
        save_folder(tmp_path / "images" / part, {"blue": count, "red": count})
    done = analyze(model, "--data", tmp_path / "images", "--output-dir", tmp_path / "found")
    assert done.exit_code == 0, done.output
    found = record_of(tmp_path / "found")["models"]["model"]
    assert found["test_images"] == 4
    assert found["confidence"]["temperature"] is not None


def test_classes_in_another_order_are_matched_by_name(tmp_path):
    # Class folders are sorted: blue, red.
    save_colours(tmp_path / "model.cmp", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], names=["red", "blue"])
    images = save_folder(tmp_path / "images", {"blue": 2, "red": 4})
    assert analyze(tmp_path / "model.cmp", "--data", images).exit_code == 0
    record = record_of(tmp_path / "analyze_model")
    assert record["class_names"] == ["red", "blue"]
    assert record["models"]["model"]["confusion_matrix"] == [[4, 0], [0, 2]]


def test_a_class_with_one_image(model, tmp_path):
    images = save_folder(tmp_path / "images", {"blue": 1, "red": 30})
    assert analyze(model, "--data", images).exit_code == 0
    blue, red = record_of(model.parent / "analyze_model")["models"]["model"]["classes"]
    assert (blue["images"], blue["recall"]) == (1, 1)
    # Wilson's interval of 1 of 1: z^2 / (1 + z^2) misses at most.
    assert blue["low"] == pytest.approx(1 / (1 + 1.959964**2), abs=1e-6)
    assert red["low"] > blue["low"]


def test_a_thousand_classes(tmp_path):
    names = [f"class {index:04d}" for index in range(1000)]
    net = Net(num_classes=1000)
    with torch.no_grad():
        net.fc.weight.zero_()
        net.fc.bias.copy_(torch.arange(1000) / 1000)
    save_artifact(
        tmp_path / "model.cmp",
        net,
        architecture={"target": "colour_net.Net", "kwargs": {}, "num_classes": 1000},
        class_names=names,
        input={"size": 8, "mean": [0.5] * 3, "std": [0.5] * 3},
    )
    images = save_folder(tmp_path / "images", dict.fromkeys(names, 1))
    done = analyze(tmp_path / "model.cmp", "--data", images)
    assert done.exit_code == 0, done.output
    found = record_of(tmp_path / "analyze_model")["models"]["model"]
    assert found["accuracy"]["value"] == 0.001
    assert found["best_class"]["name"] == "class 0999"
    assert len(found["classes"]) == 1000
    with Image.open(tmp_path / "analyze_model" / "per_class_accuracy.png") as picture:
        assert max(picture.size) < 2500


def test_against_another_file_which_classes_lose(model, tmp_path):
    # All images are blue for it.
    save_colours(tmp_path / "blind" / "model.cmp", [[0.0] * 3] * 2, bias=(1.0, 0.0))
    images = save_folder(tmp_path / "images", {"blue": 4, "red": 12})
    done = analyze(tmp_path / "blind" / "model.cmp", "--against", model, "--data", images)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "blind" / "analyze_model"
    assert {path.name for path in folder.glob("*.png")} == set(TITLES)
    record = record_of(folder)
    assert list(record["models"]) == ["dense", "compressed"]
    change = record["change"]
    assert (change["worsened"], change["improved"]) == (12, 0)
    # All twelve flips on one side: 2 / 2^12.
    assert change["p_value"] == pytest.approx(2 / 2**12)
    assert change["classes"][0]["name"] == "red"
    assert change["verdict"] in done.stdout
    [layer] = record["layers"]
    assert layer["name"] == "fc"
    assert layer["snr_db"] < 10


def test_against_the_same_network_with_its_classes_reversed(model, tmp_path):
    save_colours(tmp_path / "b.cmp", [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], names=["red", "blue"])
    images = save_folder(tmp_path / "images", {"blue": 4, "red": 2})
    assert analyze(model, "--against", tmp_path / "b.cmp", "--data", images).exit_code == 0
    record = record_of(model.parent / "analyze_model")
    assert (record["change"]["worsened"], record["change"]["improved"]) == (0, 0)
    # Their layers give the classes in different orders.
    assert record["layers"] is None


def test_integers_run_as_integers_and_layers_are_compared_with_floats(tmp_path):
    images = save_folder(tmp_path / "images", {"cat": 3, "dog": 3, "emu": 3})
    file = GOLDEN / "integers.cmp"
    done = analyze(file, "--against", GOLDEN / "pruned.cmp", "--data", images, "--output-dir", tmp_path / "found")
    assert done.exit_code == 0, done.output
    assert f"compressed: {file}, W4-6A8, simulated, stored packed, run by onnxruntime" in done.stdout
    layers = record_of(tmp_path / "found")["layers"]
    assert len(layers) == 9
    assert all(row["snr_db"] is not None for row in layers)
    errors = [row["snr_db"] for row in layers]
    assert errors == sorted(errors)
    assert min(errors) > 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["cat", "dog"],
            "its 2 classes are not the model's 2: it lacks blue, red; the model does not know cat, dog",
        ),
        (["blue", "green"], "its 2 classes are not the model's 2: it lacks red; the model does not know green"),
        (["blue", "green", "red"], "its 3 classes are not the model's 2: the model does not know green"),
    ],
)
def test_other_classes_are_refused_naming_both_sides(model, tmp_path, names, message):
    images = save_folder(tmp_path / "images", dict.fromkeys(names, 2))
    assert refused(model, "--data", images) == f"--data {images}: {message}"


def test_a_folder_without_labelled_images_is_refused(model, tmp_path):
    assert refused(model, "--data", tmp_path / "none") == (
        f"--data {tmp_path / 'none'}: no such folder; allowed is a folder of class folders of images"
    )
    empty = save_folder(tmp_path / "empty", {"blue": 2, "red": 0})
    assert refused(model, "--data", empty).startswith(f"--data {empty}: class red is empty")
    flat = tmp_path / "flat"
    flat.mkdir()
    Image.new("RGB", (8, 8)).save(flat / "1.png")
    assert refused(model, "--data", flat).startswith(f"--data {flat}: holds no class folders")
    one = save_folder(tmp_path / "one", {"blue": 2})
    assert refused(model, "--data", one).startswith(f"--data {one}: has one class (blue)")


def test_damaged_images_are_refused(model, tmp_path):
    images = save_folder(tmp_path / "images", {"blue": 2, "red": 2})
    (images / "red" / "1.png").write_bytes(b"hello")
    assert refused(model, "--data", images).startswith(f"--data {images}: 1 damaged images, to repair or remove: red/1")


def test_without_data_a_file_needs_the_record_of_its_run(model):
    assert refused(model).startswith(f"{model.parent} has no record of a run's data; allowed: --data with digits")


def test_wrong_files_are_refused(model, tmp_path):
    assert "does not exist" in refused(tmp_path / "none.cmp", "--data", "digits")
    assert "is a folder" in refused(tmp_path, "--data", "digits")
    (tmp_path / "text.cmp").write_text("hello")
    assert str(tmp_path / "text.cmp") in refused(tmp_path / "text.cmp", "--data", "digits")
    assert "does not exist" in refused(model, "--against", tmp_path / "none.cmp", "--data", "digits")


def test_against_a_file_of_other_classes_or_images_is_refused(model, tmp_path):
    images = save_folder(tmp_path / "images", {"blue": 2, "red": 2})
    other = tmp_path / "other.cmp"
    save_colours(other, names=["cat", "dog"])
    assert refused(model, "--against", other, "--data", images) == (
        f"--against {other}: its 2 classes are not the model's 2: it lacks blue, red; the model does not know cat, dog"
    )
    save_colours(other, size=16)
    assert refused(model, "--against", other, "--data", images) == (
        f"--against {other} reads images of 16x16 pixels, {model} of 8x8; allowed: files of the same image size"
    )


def test_a_folder_that_cannot_be_written_is_refused_before_any_image_is_read(model, tmp_path):
    (tmp_path / "file").write_text("hello")
    line = refused(model, "--data", tmp_path / "none", "--output-dir", tmp_path / "file" / "found")
    assert line == f"--output-dir {tmp_path / 'file' / 'found'} cannot be written: Not a directory"
    line = refused(model, "--data", tmp_path / "none", "--output-dir", tmp_path / "file")
    assert line == f"--output-dir {tmp_path / 'file'} cannot be written: File exists"


def test_the_command_in_the_page_has_the_options_that_open_the_files(tmp_path):
    save_colours(tmp_path / "my run" / "model.cmp")
    images = save_folder(tmp_path / "images", {"blue": 2, "red": 2})
    done = analyze(tmp_path / "my run" / "model.cmp", "--data", images, "--max-bytes", 4096)
    assert done.exit_code == 0, done.output
    text = Elements((tmp_path / "my run" / "analyze_model" / "report.html").read_text()).text
    assert f"analyze '{tmp_path / 'my run' / 'model.cmp'}' --data {images}" in text
    assert "--allow-import colour_net --max-bytes 4096" in text


def test_the_data_of_a_run_that_may_only_be_read(model, tmp_path, monkeypatch):
    images = save_folder(tmp_path / "images", {"blue": 12, "red": 20})
    (model.parent / "config").mkdir()
    (model.parent / "config" / "config.yaml").write_text(
        f"seed: 1\ndata: {{_target_: compression.data.image_folder.ImageFolder, root: {images}}}\n"
    )
    (tmp_path / "store" / "data").mkdir(parents=True)
    mkdir = Path.mkdir

    def refuse(path, *arguments, **options):
        if path.is_relative_to(tmp_path / "store"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        mkdir(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    done = analyze(model, "--output-dir", tmp_path / "found")
    assert done.exit_code == 0, done.output
    assert record_of(tmp_path / "found")["models"]["model"]["confidence"]["temperature"] is not None

"""A cross-validation by one command, on a folder with a rare class."""

import json

import numpy as np
import pytest
from PIL import Image
from runs import train

SETTINGS = (
    "model=custom",
    "model._target_=tiny_net.TinyNet",
    "data=image_folder",
    "data.image_size=8",
    "data.batch_size=8",
    "data.sampling=balanced",
    "training.epochs=1",
    "strategy=none",
    "runtime.engines=[onnxruntime]",
    "runtime.batch_sizes=[1]",
    "runtime.repeats=2",
    "runtime.peak_memory=false",
    "threads=1",
)


@pytest.fixture
def root(tmp_path):
    draw = np.random.default_rng(0)
    for name, count in (("free", 40), ("fray", 4)):
        folder = tmp_path / "images" / name
        folder.mkdir(parents=True)
        for index in range(count):
            Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{index}.png")
    return tmp_path / "images"


@pytest.mark.slow
def test_one_command_tests_every_image_once(root, tmp_path):
    command = (*SETTINGS, f"data.root={root}", "data.folds=2", f"output_dir={tmp_path}/out", "name=folds")
    code, output = train(*command, fresh=True)
    assert code == 0, output
    folder = tmp_path / "out" / "folds"
    found = json.loads((folder / "results.json").read_text())
    assert [row["axis.data.fold"] for row in found["jobs"]] == [1, 2]
    assert [row["test_images"] for row in found["jobs"]] == [22, 22]
    assert {row["monitor"] for row in found["jobs"]} == {"balanced_accuracy"}
    [one] = found["leaderboard"]
    assert (one["configuration"], one["seeds"]) == ("cross-validation", 2)
    assert one["pooled"]["test_images"] == 44
    assert one["balanced_accuracy"]["half_width"] is not None
    log = (folder / found["jobs"][0]["job"] / "output.log").read_text()
    assert "are chosen by balanced accuracy, for class free has 40 images and fray 4" in log
    assert "points of balanced accuracy" in log
    # The images were decoded by the first job alone.
    assert len(list((tmp_path / "out" / "store" / "data").iterdir())) == 1
    # The same command finds everything finished.
    code, output = train(*command, fresh=True)
    assert (code, output.count("found finished")) == (0, 2)


def test_a_number_of_folds_without_a_sweep_is_refused_before_training(root, tmp_path):
    # As a preset would set it, where the command cannot add the folds.
    code, output = train(*SETTINGS, f"data.root={root}", "++data={folds: 2}", f"output_dir={tmp_path}/out")
    assert code == 1
    assert output.strip().splitlines()[-1].startswith("error: data.folds=2: data.fold is missing; `python train.py")

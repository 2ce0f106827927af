"""The ids of stages: they stay the same from version to version, so that long trainings are still found."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from runs import compose_config

from compression.run.code_identity import user_code
from compression.run.context import make_context
from compression.run.pipeline import plan_stages

FIXED = ("threads=1", "trainer.accelerator=cpu", "trainer.precision=32-true")
# Ids without the hash of source code, which every change of a model's or a strategy's code changes.
DIGITS = {
    "dense": "38b2462dbe70895f",
    "prune": "e52ced52ebe7a357",
}
# The settings of a long training on CIFAR-10 as JPEG files, on a folder of a few images.
FOLDER = {"dense": "914c7efeb458286c"}

# The code of our models in the keys of stages. If a change of a file changes no result, add its new digest to
# `SAME_RESULTS` (compression/run/code_identity.py). If it does change results, write the new digest here.
CODE = {
    "compression.models.mobilenet_v2.mobilenet_v2": "281f52125f0a4f50",
    "compression.models.resnet18.resnet18": "9f5afc8fdb3a77e4",
    "compression.models.vgg11.vgg11": "64acd02df2676658",
    "compression.models.timm_model.timm_model": "3f4bde3555f487d3",
}


def ids(config, folder):
    made = plan_stages(config, run_dir=folder)
    found = {}
    for name, record in made.items():
        inputs = {key: value for key, value in record.key.inputs.items() if key != "code"}
        text = json.dumps([name, record.key.version, inputs], sort_keys=True)
        found[name] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


@pytest.fixture
def image_folder(tmp_path):
    """A folder of uncompressed images, whose bytes do not depend on the version of a library."""
    for part in ("train", "test"):
        for number, name in enumerate(("cat", "dog")):
            for index in range(10):
                path = tmp_path / "images" / part / name / f"{index}.bmp"
                path.parent.mkdir(parents=True, exist_ok=True)
                values = np.full((32, 32, 3), 100 * number + 2 * index + (part == "test"), np.uint8)
                Image.fromarray(values).save(path)
    return tmp_path / "images"


def test_the_stages_of_digits_keep_their_ids(tmp_path):
    config = compose_config(*FIXED, "strategy=iterative_l1", "sparsity=0.9", f"output_dir={tmp_path}")
    found = ids(config, tmp_path / "run")
    assert {name: found[name] for name in DIGITS} == DIGITS


def test_a_long_training_on_an_image_folder_keeps_its_id(tmp_path, image_folder):
    config = compose_config(
        *FIXED,
        *("data=image_folder", f"data.root={image_folder}", "data.batch_size=8"),
        *("model=mobilenet_v2", "training.epochs=30", "training.label_smoothing=0.1", f"output_dir={tmp_path}"),
    )
    found = ids(config, tmp_path / "run")
    assert {name: found[name] for name in FOLDER} == FOLDER


def test_a_fit_that_is_decided_to_crop_keeps_the_id_and_others_do_not(tmp_path, image_folder):
    settings = ("data=image_folder", f"data.root={image_folder}", "data.batch_size=8", "model=mobilenet_v2")
    settings = (*FIXED, *settings, "training.epochs=30", "training.label_smoothing=0.1", f"output_dir={tmp_path}")
    found = [
        ids(compose_config(*settings, *more), tmp_path / "run")["dense"]
        for more in (["data.fit=crop"], ["data.background=black"], ["data.fit=pad"], ["data.fit=stretch"])
    ]
    assert found[0] == FOLDER["dense"]
    assert len({*found}) == 4


def test_the_score_counts_in_the_id_as_it_is_found(tmp_path, image_folder):
    def dense(*overrides):
        config = compose_config(
            *FIXED,
            *("data=image_folder", f"data.root={image_folder}", "data.batch_size=8"),
            *("model=mobilenet_v2", "training.epochs=30", "training.label_smoothing=0.1", f"output_dir={tmp_path}"),
            *overrides,
        )
        return ids(config, tmp_path / "run")["dense"]

    # Ten images of each class.
    assert dense("training.monitor=accuracy") == FOLDER["dense"]
    others = [
        dense("training.monitor=balanced_accuracy"),
        dense("training.class_weights=balanced"),
        dense("training.class_weights={cat: 2}"),
        dense("data.sampling=balanced"),
        dense("training.loss=focal", "training.label_smoothing=0"),
        dense("data.folds=2", "data.fold=1"),
        dense("data.folds=2", "data.fold=2"),
    ]
    assert len({FOLDER["dense"], *others}) == 8


def test_an_added_argument_of_a_dataset_counts_only_where_it_differs_from_its_default(tmp_path, monkeypatch):
    config = compose_config(*FIXED, f"output_dir={tmp_path}")
    config.data["background"] = "white"
    context = make_context(compose_config(*FIXED, f"output_dir={tmp_path}"), tmp_path / "run")
    data = replace(context.data, settings=config.data)
    assert data.identity == context.data.identity | {"background": "white"}
    monkeypatch.setattr(type(data.dataset), "added", {"channels": 3, "background": "white"})
    assert replace(data).identity == context.data.identity
    config.data["background"] = "black"
    assert replace(data).identity == context.data.identity | {"background": "black"}


@pytest.mark.parametrize(("target", "digest"), CODE.items())
def test_the_code_of_our_models_keeps_its_digest(target, digest):
    assert user_code({"_target_": target})[target][:16] == digest

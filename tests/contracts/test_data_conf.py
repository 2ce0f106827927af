import importlib
import inspect
from pathlib import Path

import pytest
import yaml

from compression.data.base import Dataset

CONF = Path(__file__).parents[2] / "conf" / "data"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_yaml_lists_every_parameter_and_builds_a_dataset(path):
    values = yaml.safe_load(path.read_text())
    module, _, name = values.pop("_target_").rpartition(".")
    target = getattr(importlib.import_module(module), name)
    # Defaults of other groups: the stem of models, the length of trainings.
    assert values.pop("stem") in ("cifar", "imagenet")
    assert set(values.pop("schedule", {})) <= {"epochs", "sgd_lr", "recovery_updates"}
    assert set(values) == set(inspect.signature(target).parameters)
    if values.get("root") == "???":
        values["root"] = "pictures"
    dataset = target(**values)
    assert isinstance(dataset, Dataset)
    assert dataset.name == path.stem


@pytest.mark.parametrize("name", ["digits", "image_folder"])
def test_constructor_defaults_do_not_augment_images(name):
    module = importlib.import_module(f"compression.data.{name}")
    target = next(
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Dataset) and value is not Dataset
    )
    dataset = target(**({"root": "pictures"} if name == "image_folder" else {}))
    assert dataset.augment.crop_padding == 0
    assert not dataset.augment.horizontal_flip
    assert dataset.augment.colour_jitter == 0

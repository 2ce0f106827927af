import inspect
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from compression.models.registry import is_built_in
from compression.storage.codec_registry import get_allowed

CONF = Path(__file__).parents[2] / "conf"


def read(path):
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18", "vgg11", "timm"])
def test_every_parameter_is_in_the_file_with_its_default(name):
    config = read(CONF / "model" / f"{name}.yaml")
    target = config.pop("_target_")
    assert is_built_in(target)
    module, _, function = target.rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), function)).parameters
    expected = {
        key: parameter.default
        for key, parameter in parameters.items()
        # These two come from the data.
        if key not in ("num_classes", "in_channels") and parameter.kind is not parameter.VAR_KEYWORD
    }
    if "stem" in expected:
        expected["stem"] = "${data.stem}"
    if name == "timm":
        expected["name"] = "???"
    assert config == expected | {"weights": None}


def test_a_custom_model_requires_a_target():
    assert read(CONF / "model" / "custom.yaml") == {"_target_": "???", "weights": None}


@pytest.mark.parametrize("path", sorted((CONF / "storage").glob("*.yaml")), ids=lambda path: path.stem)
def test_storage_files_name_a_codec(path):
    assert read(path) == {"defaults": ["base/shared", "_self_"], "codec": path.stem}
    assert get_allowed(path.stem)


@pytest.mark.parametrize("path", sorted((CONF / "distillation" / "student").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_student_has_the_keys_of_its_model(path):
    if path.stem == "none":
        assert read(path) == {}
        return
    expected = read(CONF / "model" / path.name)
    del expected["weights"]
    if "stem" in expected:
        expected["stem"] = "${oc.select:model.stem,${data.stem}}"
    assert read(path) == expected


def test_every_model_can_be_a_student():
    models, students = (
        {path.name for path in (CONF / group).glob("*.yaml")} for group in ("model", "distillation/student")
    )
    assert students == models | {"none.yaml"}

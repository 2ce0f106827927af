"""The choices that ``--help`` lists."""

from pathlib import Path

import pytest
from composing import CONF
from hydra import initialize_config_dir

from compression.config.choice_list import list_choices


@pytest.fixture
def choices():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return dict(line.split(": ") for line in list_choices().splitlines())


def test_every_file_of_a_group_is_a_choice(choices):
    assert choices["training"] == "adam, adamw, sgd"
    assert choices["distillation/student"] == "custom, mobilenet_v2, none, resnet18, timm, vgg11"
    assert choices["strategy"].split(", ") == sorted(path.stem for path in (CONF / "strategy").glob("*.yaml"))
    assert list(choices) == sorted(choices)


def test_bases_and_groups_of_hydra_are_not_listed(choices):
    folders = {str(Path(path.parent).relative_to(CONF)) for path in CONF.glob("**/*.yaml")}
    assert set(choices) == folders - {".", "strategy/base", "quantization/base", "hydra/launcher"}

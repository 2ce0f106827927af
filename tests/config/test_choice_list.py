"""The choices that ``--help`` lists."""

from pathlib import Path

import pytest
from composing import CONF
from hydra import initialize_config_dir

from compression.config.choice_list import list_choices, list_experiments, list_stages


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
    assert set(choices) == {folder for folder in folders if Path(folder).name != "base"} - {".", "hydra/launcher"}


def test_the_stages_are_those_of_until():
    assert list_stages().startswith("dense | distil | sensitivity | prune | ")
    assert list_stages().split(" | ")[-1] == "analyze"


def test_every_experiment_has_a_line():
    with initialize_config_dir(str(CONF), version_base="1.3"):
        lines = dict(line.removeprefix("experiment=").split(maxsplit=1) for line in list_experiments().splitlines())
    assert list(lines) == sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
    assert lines["study_c"] == (
        "Study C: ResNet-18 teaches a copy of itself on CIFAR-10, 40 % of the weights are pruned, and INT8 is dynamic."
    )
    assert all(line.endswith(".") for line in lines.values())


def test_an_experiment_of_another_folder_is_described_too(tmp_path):
    (tmp_path / "experiment").mkdir()
    (tmp_path / "config.yaml").touch()
    (tmp_path / "experiment" / "mine.yaml").write_text(
        "# @package _global_\n# All of it\n# at once. Then more.\n\nseed: 1\n"
    )
    (tmp_path / "experiment" / "bare.yaml").write_text("seed: 1\n")
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert list_experiments() == "experiment=bare\nexperiment=mine  All of it at once."

"""A store with a trained dense model, and fixtures that make further stages from it."""

import functools
import json
import shutil
from pathlib import Path

import pytest
import torch
from runs import WIDE, compose_config, run_here
from safetensors.torch import load_file

from compression.run.pipeline import run_stages


@functools.cache
def train_once(session: Path) -> Path:
    """Return the output folder of a run that trained and exported the dense model, made once per session."""
    outputs = session / "trained"
    run_here(*WIDE, "strategy=none", "until=export", run_dir=outputs / "run", output_dir=outputs)
    return outputs


@functools.cache
def share_once(session: Path) -> Path:
    """Return an output folder whose stages are shared by all tests of the session."""
    return copy_store(train_once(session), session / "shared")


class Finished:
    """A finished stage on disk."""

    def __init__(self, path: Path):
        self.path = path
        self.record = json.loads((path / "stage.json").read_text())
        self.results = self.record["results"]


def weights_of(made, name="model"):
    """Return the tensors in the file ``name``.safetensors of a stage."""
    return load_file(made.path / f"{name}.safetensors")


def same(first, second):
    """Return whether two state dicts hold the same tensors."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def find_finished(outputs, stage):
    """Return the finished stages of a kind in the store of ``outputs``."""
    paths = sorted((outputs / "store").glob(f"{stage}-*"))
    return [Finished(path) for path in paths if (path / "stage.json").exists()]


def make_stage(outputs, stage, command):
    """Run a command up to ``stage``; return the stage of that name that it made."""
    before = {found.path for found in find_finished(outputs, stage)}
    config = compose_config(*WIDE, *command.split(), f"until={stage}", f"output_dir={outputs}")
    run_stages(config, run_dir=outputs / "run")
    [made] = [found for found in find_finished(outputs, stage) if found.path not in before]
    return made


def copy_store(trained, outputs):
    """Copy the store of ``trained`` into the folder ``outputs`` and return ``outputs``."""
    shutil.copytree(trained / "store", outputs / "store")
    return outputs


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The output folder of a run that trained and exported the dense model. Tests only read it."""
    return train_once(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Function that runs a command once per session and returns its stages by name. Tests only read them."""
    outputs = share_once(tmp_path_factory.getbasetemp())

    def run(command):
        config = compose_config(*WIDE, *command.split(), f"output_dir={outputs}")
        _, records = run_stages(config, run_dir=outputs / "run")
        return {stage: Finished(record.path) for stage, record in records.items()}

    return functools.cache(run)


@pytest.fixture
def outputs(trained, tmp_path):
    """This test's own output folder, with a trained dense model in its store."""
    return copy_store(trained, tmp_path / "outputs")


@pytest.fixture
def finished(outputs):
    """Function that returns the finished stages of a kind in the store."""
    return lambda stage, folder=None: find_finished(folder or outputs, stage)


@pytest.fixture
def make(outputs):
    """Function that runs a command up to a stage and returns the stage of that name that it made."""
    return lambda stage, command, *, folder=None: make_stage(folder or outputs, stage, command)

"""A store with a trained dense model in it, and what makes further stages from there."""

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
    """Return the output folder of the session's run that trained the dense model, and exported it.

    Whatever compares with the dense model finds its files there.
    """
    outputs = session / "trained"
    run_here(*WIDE, "strategy=none", "until=export", run_dir=outputs / "run", output_dir=outputs)
    return outputs


@functools.cache
def share_once(session: Path) -> Path:
    """Return an output folder in which the session's tests find each other's stages."""
    return copy_store(train_once(session), session / "shared")


class Finished:
    """A finished stage on disk."""

    def __init__(self, path: Path):
        self.path = path
        self.record = json.loads((path / "stage.json").read_text())
        self.results = self.record["results"]


def weights_of(made, name="model"):
    """Return the tensors that a stage left under a name."""
    return load_file(made.path / f"{name}.safetensors")


def same(first, second):
    """Return whether two state dicts hold the same tensors."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def find_finished(outputs, stage):
    """Return the finished stages of a kind in the store of ``outputs``."""
    paths = sorted((outputs / "store").glob(f"{stage}-*"))
    return [Finished(path) for path in paths if (path / "stage.json").exists()]


def make_stage(outputs, stage, command):
    """Run up to a stage by a command line; return what that made, the other stages of the kind left out."""
    before = {found.path for found in find_finished(outputs, stage)}
    run_here(*WIDE, *command.split(), f"until={stage}", run_dir=outputs / "run", output_dir=outputs)
    [made] = [found for found in find_finished(outputs, stage) if found.path not in before]
    return made


def copy_store(trained, outputs):
    """Make an output folder of its own, where the dense model is trained already."""
    shutil.copytree(trained / "store", outputs / "store")
    return outputs


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The output folder of a run that trained and exported the dense model: to read only."""
    return train_once(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Runs a command in a store of the whole session, once; returns its stages by name, to read only."""
    outputs = share_once(tmp_path_factory.getbasetemp())

    def run(command):
        config = compose_config(*WIDE, *command.split(), f"output_dir={outputs}")
        _, records = run_stages(config, run_dir=outputs / "run")
        return {stage: Finished(record.path) for stage, record in records.items()}

    return functools.cache(run)


@pytest.fixture
def outputs(trained, tmp_path):
    """An output folder of this test's own, where the dense model is trained already."""
    return copy_store(trained, tmp_path / "outputs")


@pytest.fixture
def finished(outputs):
    """Finds the finished stages of a kind in the store."""
    return lambda stage, folder=None: find_finished(folder or outputs, stage)


@pytest.fixture
def make(outputs):
    """Runs up to a stage by a command line; returns what that made, the other stages of the kind left out."""
    return lambda stage, command, *, folder=None: make_stage(folder or outputs, stage, command)

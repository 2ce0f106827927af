import json
import shutil
from pathlib import Path

import pytest
from runs import WIDE, run_here


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The output folder of a run that trained the dense model, and exported it for all that compare with it."""
    outputs = tmp_path_factory.mktemp("trained")
    run_here(*WIDE, "strategy=none", "until=export", run_dir=outputs / "run", output_dir=outputs)
    return outputs


@pytest.fixture
def outputs(trained, tmp_path):
    """An output folder of this test's own, where the dense model is trained already."""
    shutil.copytree(trained / "store", tmp_path / "outputs" / "store")
    return tmp_path / "outputs"


class Finished:
    """A finished stage on disk."""

    def __init__(self, path: Path):
        self.path = path
        self.record = json.loads((path / "stage.json").read_text())
        self.results = self.record["results"]


@pytest.fixture
def finished(outputs):
    """Finds the finished stages of a kind in the store."""

    def find(stage, folder=None):
        store = (folder or outputs) / "store"
        return [Finished(path) for path in sorted(store.glob(f"{stage}-*")) if (path / "stage.json").exists()]

    return find


@pytest.fixture
def make(outputs, finished):
    """Runs up to a stage by a command line; returns what that made, the other stages of the kind left out."""

    def run(stage, command, *, folder=None):
        folder = folder or outputs
        before = {found.path for found in finished(stage, folder)}
        run_here(*WIDE, *command.split(), f"until={stage}", run_dir=folder / "run", output_dir=folder)
        [made] = [found for found in finished(stage, folder) if found.path not in before]
        return made

    return run

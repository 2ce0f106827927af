import logging

import pytest

from compression.core.errors import InputError
from compression.sweep.run_folder import note_new_folders, removed_if_refused
from compression.system.disk import DiskFullError


@pytest.fixture
def run_dir(tmp_path):
    """A folder as Hydra makes it, two levels below the first missing one."""
    folder = tmp_path / "outputs" / "run"
    note_new_folders(folder)
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "config.yaml").touch()
    (folder / "train.log").touch()
    return folder


def stop(run_dir, error):
    with pytest.raises(type(error)), removed_if_refused(run_dir):
        raise error


def test_the_folder_of_a_refused_run_is_removed_with_its_new_parents(run_dir, tmp_path):
    (run_dir / "stages.txt").touch()
    stop(run_dir, InputError("sparsity"))
    assert not list(tmp_path.iterdir())


def test_a_parent_with_other_content_stays(run_dir):
    (run_dir.parent / "store").mkdir()
    stop(run_dir, InputError("sparsity"))
    assert [path.name for path in run_dir.parent.iterdir()] == ["store"]


def test_a_folder_with_results_stays(run_dir):
    (run_dir / "tensorboard").mkdir()
    stop(run_dir, InputError("sparsity"))
    assert (run_dir / "config").exists()


@pytest.mark.parametrize("error", [KeyError("a defect"), DiskFullError("full"), KeyboardInterrupt()])
def test_the_folder_of_a_run_that_was_not_refused_stays(run_dir, error):
    stop(run_dir, error)
    assert run_dir.exists()


def test_a_folder_from_before_the_command_stays(run_dir):
    note_new_folders(run_dir)
    stop(run_dir, InputError("sparsity"))
    assert run_dir.exists()


def test_the_log_of_a_removed_folder_is_closed(run_dir):
    handler = logging.FileHandler(run_dir / "train.log")
    root = logging.getLogger()
    root.addHandler(handler)
    stop(run_dir, InputError("sparsity"))
    assert handler not in root.handlers
    assert not run_dir.exists()

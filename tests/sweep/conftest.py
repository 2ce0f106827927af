import pytest
from sweep_folders import Folder, make_metrics


@pytest.fixture
def folder(tmp_path):
    """A sweep of two axes, without jobs."""
    return Folder(tmp_path / "sweep", {"sparsity": [0.5, 0.9], "weight_bits": [6, 8]})


@pytest.fixture
def metrics():
    """What makes a job's document, a new one each time."""
    return make_metrics

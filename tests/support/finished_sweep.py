"""A small sweep, run once by the command line for all tests that only read it."""

from pathlib import Path

import pytest
from runs import TINY, train

SMALL = (
    *TINY,
    "training.epochs=1",
    "strategy=oneshot_l1",
    "strategy.recovery.epochs=1",
    "runtime.engines=[onnxruntime]",
    "runtime.batch_sizes=[1]",
)
GRID = ("sparsity=0.5,0.7", "weight_bits=6,8")


@pytest.fixture(scope="session")
def finished_sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a sweep of four jobs."""
    outputs = tmp_path_factory.mktemp("finished")
    code, output = train("-m", *SMALL, *GRID, f"output_dir={outputs}", "name=sweep", fork_jobs=True)
    assert code == 0, output
    return outputs

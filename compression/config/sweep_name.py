"""The folders of a sweep and of its jobs, as Hydra asks for them."""

import json
import os
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

# The sweep.json of the sweep that is being run; worker processes, on other machines too, inherit it.
SWEEP_FILE = "COMPRESSION_SWEEP"
# The command that began all this: what it has made, or tried in vain, it does not make again.
INVOCATION = "COMPRESSION_INVOCATION"
# A child that sees another parent than this one has lost it, and ends.
PARENT = "COMPRESSION_PARENT"


def sweep_dir(*, _root_: DictConfig) -> str:
    """Return the folder of the sweep."""
    path = os.environ.get(SWEEP_FILE)
    return str(Path(path).parent) if path else str(Path(_root_.output_dir) / "sweep")


def sweep_job(*, _root_: DictConfig) -> str:
    """Return the name of the job's folder."""
    path, number = os.environ.get(SWEEP_FILE), OmegaConf.select(_root_, "hydra.job.num")
    if not path or number is None:
        return "job"
    jobs: list[dict[str, Any]] = json.loads(Path(path).read_text())["jobs"]
    return str(jobs[int(number)]["name"])


def register() -> None:
    """Make ``${sweep_dir:}`` and ``${sweep_job:}`` known to OmegaConf."""
    OmegaConf.register_new_resolver("sweep_dir", sweep_dir, replace=True)
    OmegaConf.register_new_resolver("sweep_job", sweep_job, replace=True)

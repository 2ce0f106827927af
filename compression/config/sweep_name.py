"""The folders of a sweep and of its jobs, as Hydra's configuration names them."""

import json
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from compression.config.sweep_environment import SweepEnvironment


def sweep_dir(*, _root_: DictConfig) -> str:
    """Return the folder of the sweep."""
    return str(SweepEnvironment.read().sweep_folder or Path(_root_.output_dir) / "sweep")


def sweep_job(*, _root_: DictConfig) -> str:
    """Return the name of the job's folder."""
    path, number = SweepEnvironment.read().sweep_file, OmegaConf.select(_root_, "hydra.job.num")
    if path is None or number is None:
        return "job"
    jobs: list[dict[str, Any]] = json.loads(path.read_text())["jobs"]
    return str(jobs[int(number)]["name"])


def register() -> None:
    """Make ``${sweep_dir:}`` and ``${sweep_job:}`` known to OmegaConf."""
    OmegaConf.register_new_resolver("sweep_dir", sweep_dir, replace=True)
    OmegaConf.register_new_resolver("sweep_job", sweep_job, replace=True)

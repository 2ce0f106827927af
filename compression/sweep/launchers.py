"""Checks of a sweep's launcher: the number of workers, and enough devices and cores for each."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from compression.config.schema import Config, TrainerConfig
from compression.core.errors import InputError


def count_workers(launcher: Mapping[str, Any], *, num_jobs: int) -> int:
    """Return how many of ``num_jobs`` run at once on this machine; raises InputError if the launcher leaves it open."""
    if _is_submitit(launcher, "Local"):
        return num_jobs
    if "joblib" not in launcher["_target_"]:
        return 1
    workers = launcher["n_jobs"]
    if workers < 1:
        raise InputError(f"hydra.launcher.n_jobs={workers}: must be the number of workers, an integer >= 1")
    return int(workers)


def check_launcher(launcher: Mapping[str, Any], devices: int) -> None:
    """Raise ``InputError`` if the launcher cannot run a job on ``devices`` devices, or would start it twice."""
    if devices > 1 and not _is_submitit(launcher, "Slurm"):
        raise InputError(
            f"trainer.devices={devices}: jobs of a sweep train on one device each, except under Slurm; must be 1, or "
            "run them one by one"
        )
    if not _is_submitit(launcher):
        return
    if _is_submitit(launcher, "Slurm") and shutil.which("srun") is None:
        raise InputError(
            "hydra/launcher: there is no Slurm here (no srun); start the sweep where there is, or use "
            "hydra/launcher=joblib hydra.launcher.n_jobs=2"
        )
    for key in ("nodes", "tasks_per_node"):
        if launcher[key] != 1:
            raise InputError(f"hydra.launcher.{key}={launcher[key]}: a job is one task on one node; must be 1")


def check_gpus(launcher: Mapping[str, Any], trainers: Iterable[TrainerConfig]) -> None:
    """Raise ``InputError`` if a Slurm task has fewer GPUs than its job needs. Warn if it requests no GPU."""
    devices = max((one.devices for one in trainers if one.accelerator != "cpu"), default=0)
    if devices == 0 or not _is_submitit(launcher, "Slurm"):
        return
    key = next((key for key in ("gpus_per_task", "gpus_per_node") if launcher.get(key)), None)
    if key is not None and launcher[key] < devices:
        raise InputError(
            f"trainer.devices={devices} contradicts hydra.launcher.{key}={launcher[key]}: must be at most as many"
        )
    # Slurm has other ways to request GPUs, such as gres=gpu:2.
    if key is not None or "gpu" in f"{launcher.get('gres')} {launcher.get('additional_parameters')}":
        return
    if devices > 1:
        raise InputError(
            f"trainer.devices={devices}: a Slurm task is requested without a GPU; must be 1, or give "
            f"hydra.launcher.gpus_per_task={devices}"
        )
    print(
        "warning: Slurm tasks are requested without a GPU, so jobs may train on the CPU; hydra/launcher=slurm or "
        "hydra.launcher.gpus_per_task=1 requests one, trainer=cpu says that it is meant so",
        file=sys.stderr,
    )


def refuse_baselines_on_cluster(launcher: Mapping[str, Any]) -> None:
    """Raise ``InputError`` for Slurm: baselines run after all jobs, on the machine of the command."""
    if _is_submitit(launcher, "Slurm"):
        raise InputError(
            "baselines=true: must be false under Slurm, as they run where the command is given; "
            "give the same command with hydra/launcher=basic on a machine to compute on: what is finished is found"
        )


def warn_of_threads(configs: Iterable[Config], workers: int) -> None:
    """Print a warning if all workers together have more threads than this machine has cores."""
    from compression.run.machine import available_cores

    cores = available_cores()
    most = max(config.threads or cores for config in configs)
    if workers > 1 and workers * most > cores:
        fits = f"threads={cores // workers}" if workers <= cores else f"hydra.launcher.n_jobs={cores} threads=1"
        print(
            f"warning: {workers} workers x {most} threads on {cores} cores: jobs slow each other down, and timings "
            f"mislead; {fits} fits",
            file=sys.stderr,
        )


def keeps_workers(launcher: Mapping[str, Any]) -> bool:
    """Return whether jobs run in this process or its children, and not as tasks that may outlive it."""
    return not _is_submitit(launcher)


def _is_submitit(launcher: Mapping[str, Any], executor: str = "") -> bool:
    return "hydra_submitit_launcher" in launcher["_target_"] and launcher["_target_"].endswith(f"{executor}Launcher")

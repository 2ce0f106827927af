"""Hydra's callback at the beginning of a multirun: know all jobs, check them, plan them, then let them run."""

import hashlib
import os
import shutil
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from compression.config import schema
from compression.config.explain import explain
from compression.config.run_name import digest
from compression.config.schema import Config
from compression.config.sweep_name import SWEEP_FILE
from compression.core.errors import InputError
from compression.sweep.baselines.overrides import OF_SWEEP, describe_baselines, make_random_jobs
from compression.sweep.baselines.second_round import BASELINES
from compression.sweep.earlier import add_axes, join_axes, read_earlier
from compression.sweep.gpus import GPUS, list_gpus
from compression.sweep.grid import list_axes, list_jobs, name_job, parse_grid, place
from compression.sweep.jobs import SWEEP, Job, Sweep, keep_others
from compression.sweep.opened import open_sweep, refuse_opened

# Jobs are checked about two a second: where that takes a while, it is said.
_MANY = 40
# Of a sweep's name, in characters, the digest at its end not counted.
_LONGEST = 113


class SweepCallback(Callback):
    """Writes ``sweep.json`` before any job runs; ends the process for a wrong job, and after a plan that was asked."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Expand the grid of the master configuration ``config``, and check every job of it."""
        del kwargs
        if SWEEP_FILE in os.environ:
            # A pool of workers died, and Hydra begins anew what is checked and planned already.
            return
        try:
            begin(config)
        # Hydra turns what a callback raises into a warning, and would go on.
        except Exception as error:  # noqa: BLE001
            message = explain(error)
            if message is None:
                traceback.print_exc()
            sys.exit(1 if message is None else f"error: {message}")


def begin(master: DictConfig) -> Sweep:
    """Check and plan a multirun, write its ``sweep.json``, and return it; raises InputError."""
    grid = parse_grid(master)
    axes = list_axes(grid)
    overrides = list_jobs(grid)
    workers = count_workers(master.hydra.launcher, num_jobs=len(overrides))
    composed = [_compose(job, axes) for job in overrides]
    _check_jobs([place(job, axes) for job in overrides], composed)
    check_launcher(master.hydra.launcher, max(config.trainer.devices for config, _ in composed))
    first = composed[0][0]
    digests = [digest for _, digest in composed]
    names = [name_job(place(job, axes), digest) for job, digest in zip(overrides, digests, strict=True)]
    folder = Path(first.output_dir).absolute() / name_folder(first, master, axes, names)
    earlier = read_earlier(folder)
    others = [job for job in earlier if job.kind == "grid" and job.digest not in digests]
    keys = dict.fromkeys([*axes, *(key for job in others for key in job.axes)])
    earlier = add_axes(earlier, keys)
    _warn_of_threads([config for config, _ in composed], workers)
    planned = [
        (config, Job(name_job(place(job, keys), digest), _list_lines(job), place(job, keys)))
        for job, (config, digest) in zip(overrides, composed, strict=True)
    ]
    if first.baselines:
        _refuse_cluster(master.hydra.launcher)
        planned += make_random_jobs(planned, lambda lines: _compose(_parse(lines), axes))
    known = {job.digest: job.name for job in earlier}
    # One that earlier commands have run is found in its folder, whatever its name would be now.
    planned = [(config, replace(job, name=known.get(job.digest, job.name))) for config, job in planned]
    # Imported late, so that a mistyped key is answered before torch is loaded.
    from compression.pipeline import make_dataset, plan_stages
    from compression.sweep.plan import format_plan, plan_sweep

    if len(planned) >= _MANY:
        print(f"checking {len(planned)} jobs", flush=True)
    stages, datasets = [], {}
    for config, job in planned:
        try:
            settings = str(config.data)
            if settings not in datasets:
                datasets[settings] = make_dataset(config)
            stages.append(plan_stages(config, run_dir=folder / job.name, dataset=datasets[settings]))
        except InputError as error:
            raise InputError(f"job {job.name}: {error}") from error
    plan = plan_sweep(stages, store=Path(first.output_dir) / "store")
    print(format_plan(plan, num_jobs=len(planned), workers=workers))
    if first.baselines:
        print(describe_baselines(planned))
    if first.plan:
        sys.exit(0)
    refuse_opened(folder)
    # With a stage to be made, also for overwrite=true, a job is not done, whatever lies in its folder.
    own = [
        replace(
            job,
            stages={stage: record.id for stage, record in made.items() if stage != "evaluate" and not record.planned},
        )
        for (_, job), made in zip(planned, stages, strict=True)
    ]
    jobs = keep_others(own, earlier)
    places = [job.axes for job in jobs if job.kind == "grid"]
    sweep = Sweep(folder, tuple(sys.argv), join_axes(axes, places), jobs)
    open_sweep(folder)
    sweep.write()
    print(f"\n{folder}\n", flush=True)
    if len(jobs) > len(own):
        print(f"{len(jobs) - len(own)} jobs of earlier commands stay in its answer\n", flush=True)
    os.environ[GPUS] = ",".join(list_gpus()) if workers > 1 else ""
    os.environ[BASELINES] = str(workers) if first.baselines else ""
    os.environ[SWEEP_FILE] = str(folder / SWEEP)
    return sweep


def _check_jobs(places: Sequence[Mapping[str, Any]], composed: Sequence[tuple[Config, str]]) -> None:
    """Raise ``InputError`` for jobs that would give no numbers, and for two that are one."""
    seen: dict[str, str] = {}
    for at, (config, name) in zip(places, composed, strict=True):
        if config.until != "evaluate":
            raise InputError(f"until={config.until}: must be evaluate, for a sweep compares what is measured")
        where = _describe_place(at)
        if name in seen:
            raise InputError(f"jobs {seen[name]} and {where} are the same one; each must be given once")
        seen[name] = where


def count_workers(launcher: Mapping[str, Any], *, num_jobs: int) -> int:
    """Return how many of ``num_jobs`` run at once on this machine; raises InputError where that is left open."""
    if _is_submitit(launcher, "Local"):
        return num_jobs
    if "joblib" not in launcher["_target_"]:
        return 1
    workers = launcher["n_jobs"]
    if workers < 1:
        raise InputError(f"hydra.launcher.n_jobs={workers}: must be the number of workers, an integer >= 1")
    return int(workers)


def _refuse_cluster(launcher: Mapping[str, Any]) -> None:
    if _is_submitit(launcher, "Slurm"):
        raise InputError(
            "baselines=true: must be false with hydra/launcher=submitit_slurm, as they run where the command is given; "
            "give the same command with hydra/launcher=basic on a machine to compute on: what is finished is found"
        )


def _list_lines(job: Sequence[Override]) -> tuple[str, ...]:
    return tuple(str(one.input_line) for one in job if one.key_or_group not in OF_SWEEP)


def _parse(lines: Sequence[str]) -> list[Override]:
    return OverridesParser.create().parse_overrides(list(lines))


def check_launcher(launcher: Mapping[str, Any], devices: int) -> None:
    """Raise ``InputError`` where the launcher gives a job fewer ``devices`` than it trains on, or begins it twice."""
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
    gpus = launcher.get("gpus_per_task") or launcher.get("gpus_per_node")
    if gpus is not None and gpus < devices:
        raise InputError(
            f"trainer.devices={devices} contradicts hydra.launcher.gpus_per_task={gpus}: must be at most as many"
        )


def _is_submitit(launcher: Mapping[str, Any], executor: str = "") -> bool:
    return "hydra_submitit_launcher" in launcher["_target_"] and launcher["_target_"].endswith(f"{executor}Launcher")


def _compose(job: Sequence[Override], axes: Mapping[str, Any]) -> tuple[Config, str]:
    lines = [str(override.input_line) for override in job]
    try:
        composed = compose("config", lines, return_hydra_config=True)
        HydraConfig.instance().set_config(composed)
        return schema.to_config(composed), digest(composed)
    except Exception as error:
        message = explain(error)
        if message is None or not axes:
            raise
        raise InputError(f"job {_describe_place(place(job, axes))}: {message}") from error


def _describe_place(place: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in place.items())


def name_folder(config: Config, master: DictConfig, axes: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the sweep's name if it has one, else one made of what is swept, and a digest of the jobs."""
    if config.name is not None:
        return config.name
    choices = [str(master.hydra.runtime.choices[group]) for group in ("data", "model") if group not in axes]
    keys = [key.rpartition(".")[2].rpartition("/")[2] for key in axes]
    jobs = hashlib.sha256("\n".join(names).encode()).hexdigest()[:6]
    return "-".join(["sweep", *choices, *keys])[:_LONGEST] + f"-{jobs}"


def _warn_of_threads(configs: Sequence[Config], workers: int) -> None:
    from compression.stages.machine import available_cores

    cores = available_cores()
    most = max(config.threads or cores for config in configs)
    if workers > 1 and workers * most > cores:
        fits = f"threads={cores // workers}" if workers <= cores else f"hydra.launcher.n_jobs={cores} threads=1"
        print(
            f"warning: {workers} workers x {most} threads on {cores} cores: jobs slow each other down, and timings "
            f"mislead; {fits} fits",
            file=sys.stderr,
        )

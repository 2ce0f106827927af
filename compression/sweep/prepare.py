"""The preparation of a sweep: its jobs are checked, planned and recorded before the first one runs."""

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from compression.config.explain import explain
from compression.config.override_text import key_of
from compression.config.run_name import DIGEST_DIGITS, NOT_IN_NAME
from compression.config.schema import Config
from compression.config.sweep_environment import SweepEnvironment
from compression.core.errors import InputError
from compression.sweep.baselines.overrides import describe_baselines, make_random_jobs
from compression.sweep.gpus import list_gpus
from compression.sweep.hydra_settings import hand_on_search_path
from compression.sweep.job_configs import Composed, compose_jobs, compose_lines
from compression.sweep.job_grid import list_axes, list_jobs, name_job, parse_grid, parse_lines, place
from compression.sweep.job_names import JobNames
from compression.sweep.jobs import SWEEP, Job, Sweep, keep_others
from compression.sweep.launchers import (
    check_gpus,
    check_launcher,
    count_workers,
    keeps_workers,
    refuse_baselines_on_cluster,
    warn_of_threads,
)
from compression.sweep.presence import open_sweep, refuse_opened
from compression.sweep.previous_jobs import add_axes, join_axes, read_earlier
from compression.sweep.used_name import refuse_run_folder
from compression.system.library_messages import keep_in_log_file
from compression.system.uncollected import uncollected_imports

if TYPE_CHECKING:
    from compression.stage_store.store import StageRecord

# About two jobs are checked per second. From this number on a line is printed first.
_MANY = 40
# Most characters of a sweep's name, without the digest at its end.
_LONGEST = 113


def begin(master: DictConfig) -> Sweep:
    """Check and plan a multirun, write its ``sweep.json``, and return it; raises InputError.

    ``master`` is the configuration that Hydra makes of the command line. With ``plan=true`` the process ends after the
    plan.
    """
    grid = [*([one] for one in hand_on_search_path(master)), *parse_grid(master)]
    axes = list_axes(grid)
    overrides = list_jobs(grid)
    workers = count_workers(master.hydra.launcher, num_jobs=len(overrides))
    composed = compose_jobs(overrides, axes)
    check_launcher(master.hydra.launcher, max(job.config.trainer.devices for job in composed))
    check_gpus(master.hydra.launcher, [job.config.trainer for job in composed])
    warn_of_threads([job.config for job in composed], workers)
    first = composed[0].config
    names = [name_job(job.axes, job.identity[:DIGEST_DIGITS]) for job in composed]
    folder = Path(first.output_dir).absolute() / name_folder(first, master, axes, names)
    refuse_run_folder(folder, overwrite=first.overwrite)
    jobs, earlier = _name_jobs(composed, _identify(read_earlier(folder), composed, axes))
    if first.baselines:
        refuse_baselines_on_cluster(master.hydra.launcher)
        jobs += make_random_jobs(jobs, lambda lines: compose_lines(lines, axes), earlier=earlier)
    on_disk = _plan(jobs, folder, workers)
    if first.baselines:
        print(describe_baselines(jobs))
    if first.plan:
        sys.exit(0)
    refuse_opened(folder)
    own = [replace(job, stages=made) for (_, job), made in zip(jobs, on_disk, strict=True)]
    sweep = _open(folder, own, earlier, axes)
    inherited = SweepEnvironment.read()
    replace(
        inherited,
        sweep_file=folder / SWEEP,
        parent=os.getpid() if keeps_workers(master.hydra.launcher) else inherited.parent,
        gpus=tuple(list_gpus()) if workers > 1 else (),
        baseline_workers=workers if first.baselines else None,
    ).write()
    return sweep


def _identify(earlier: Sequence[Job], composed: Sequence[Composed], axes: Mapping[str, Any]) -> list[Job]:
    """Return the ``earlier`` jobs. Records of earlier versions get the identity if they look like a composed job."""
    alike = {job.identity[:DIGEST_DIGITS]: job for job in composed}
    return [
        job if job.identity or job.digest not in alike else replace(job, identity=_find(job, alike[job.digest], axes))
        for job in earlier
    ]


def _find(job: Job, alike: Composed, axes: Mapping[str, Any]) -> str:
    # Composing takes half a second, and nearly always the job is the same one.
    if sorted(_of_result(job.overrides)) == sorted(_of_result(alike.lines)):
        return alike.identity
    try:
        return compose_lines(job.overrides, axes)[1]
    except Exception as error:
        if explain(error) is None:
            raise
        # A configuration that is refused today is no job of this command.
        return job.digest


def _of_result(lines: Sequence[str]) -> list[str]:
    return [line for line in lines if key_of(line).partition(".")[0] not in NOT_IN_NAME]


def _name_jobs(composed: Sequence[Composed], earlier: Sequence[Job]) -> tuple[list[tuple[Config, Job]], list[Job]]:
    """Return the jobs with the names of their folders, and the ``earlier`` jobs with their values on all axes.

    A job that an earlier command has run keeps the name of its folder.
    """
    names = JobNames(earlier)
    own = {names.find(job.identity) for job in composed}
    others = [job for job in earlier if job.kind == "grid" and job.name not in own]
    keys = dict.fromkeys(key for axes in [job.axes for job in composed] + [job.axes for job in others] for key in axes)
    earlier = add_axes(earlier, keys)
    jobs = []
    for job in composed:
        where = place(parse_lines(job.lines), keys)
        name = names.give(where, job.identity)
        jobs.append((job.config, Job(name, job.lines, where, identity=job.identity)))
    return jobs, earlier


def _plan(jobs: Sequence[tuple[Config, Job]], folder: Path, workers: int) -> list[dict[str, str]]:
    """Print the plan of the jobs, and return the ids of each job's stages on disk, by stage."""
    keep_in_log_file()
    # Imported late, so that a mistyped key is reported before torch is loaded.
    with uncollected_imports():
        from compression.run.context import make_dataset
        from compression.run.pipeline import plan_stages
        from compression.sweep.sweep_plan import format_plan, list_made, plan_sweep

    if len(jobs) >= _MANY:
        print(f"checking {len(jobs)} jobs", flush=True)
    stages: list[Mapping[str, StageRecord]] = []
    datasets = {}
    for config, job in jobs:
        try:
            settings = str(config.data)
            if settings not in datasets:
                datasets[settings] = make_dataset(config)
            stages.append(plan_stages(config, run_dir=folder / job.name, dataset=datasets[settings]))
        except InputError as error:
            raise InputError(f"job {job.name}: {error}") from error
    store = Path(jobs[0][0].output_dir) / "store"
    print(format_plan(plan_sweep(stages, store=store), num_jobs=len(jobs), workers=workers))
    return [list_made(one, folder / job.name) for one, (_, job) in zip(stages, jobs, strict=True)]


def _open(folder: Path, own: Sequence[Job], earlier: Sequence[Job], axes: Mapping[str, Sequence[Any]]) -> Sweep:
    """Write ``sweep.json`` with the ``own`` jobs of the command and the ``earlier`` ones, and mark it as open."""
    jobs = keep_others(own, earlier)
    places = [job.axes for job in jobs if job.kind == "grid"]
    sweep = Sweep(folder, tuple(sys.argv), join_axes(axes, places), jobs)
    open_sweep(folder)
    sweep.write()
    print(f"\n{folder}\n", flush=True)
    if len(jobs) > len(own):
        print(f"{len(jobs) - len(own)} jobs of earlier commands stay in the report\n", flush=True)
    return sweep


def name_folder(config: Config, master: DictConfig, axes: Mapping[str, Any], names: Sequence[str]) -> str:
    """Return the ``name`` of the sweep. Without one, return a name from its axes and a digest of its jobs."""
    if config.name is not None:
        return config.name
    choices = [str(master.hydra.runtime.choices[group]) for group in ("data", "model") if group not in axes]
    keys = [key.rpartition(".")[2].rpartition("/")[2] for key in axes]
    jobs = hashlib.sha256("\n".join(names).encode()).hexdigest()[:6]
    return "-".join(["sweep", *choices, *keys])[:_LONGEST] + f"-{jobs}"

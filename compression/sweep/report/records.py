"""Records of a sweep on disk: its jobs, each with its numbers or with the reason why it has no numbers.

A damaged, truncated or newer record of a job raises no error: the job gets a reason instead.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compression.config.run_name import NOT_IN_NAME
from compression.core.errors import InputError
from compression.core.file_names import METRICS
from compression.reporting.metrics_reader import Measured, read_measured
from compression.sweep.command_words import FOLD
from compression.sweep.jobs import (
    BROKEN,
    FINISHED,
    RANDOM,
    RUNNING,
    SMALL_DENSE,
    SWEEP,
    Job,
    read_json,
    read_state,
    read_sweep,
)
from compression.sweep.report.axis_values import make_plain, parse_value
from compression.sweep.report.command_axes import add_command_axes

RUN = "run"
BASELINES = (RANDOM, SMALL_DENSE)
SEED = "seed"
# Axes of jobs that repeat one configuration: the report gives their mean.
REPEATS = (SEED, FOLD)
# Keys of single runs that are not axes, because they say only where and how a run is executed.
_NOT_AN_AXIS = ("name", "output_dir", "overwrite", "until", "plan", "threads", "logger", "runtime")
# Keys in which the commands of a sweep may differ without making another configuration.
_OF_A_COMMAND = (*NOT_IN_NAME, *REPEATS, "until", "analysis", "logger")


@dataclass(frozen=True)
class JobRecord:
    """One job of a sweep, as recorded on disk.

    ``axes`` are the values that distinguish it from other jobs. ``overrides`` is its complete command after
    ``train.py``. ``seconds`` is its wall time. ``measured`` is set exactly if ``status`` is ``finished``; otherwise
    ``reason`` says why in one line, if known. ``kept`` jobs come from an earlier command of the folder, not the last.
    """

    name: str
    kind: str
    axes: Mapping[str, Any]
    overrides: tuple[str, ...]
    status: str
    reason: str | None = None
    seconds: float | None = None
    measured: Measured | None = None
    kept: bool = False

    @property
    def is_baseline(self) -> bool:
        """Whether this is a baseline rather than a job of the grid."""
        return self.kind in BASELINES

    @property
    def seed(self) -> int | None:
        """The seed on its axis, or else the seed that it ran with."""
        seed = self.axes.get(SEED)
        return seed if isinstance(seed, int) or self.measured is None else self.measured.seed

    @property
    def repeat(self) -> tuple[int | None, Any]:
        """What distinguishes the job from others of its configuration: its seed, and its fold if it has one."""
        return self.seed, self.axes.get(FOLD)


@dataclass(frozen=True)
class SweepRecord:
    """All jobs of a folder, in the planned order."""

    folder: Path
    jobs: tuple[JobRecord, ...]
    axes: Mapping[str, tuple[Any, ...]]
    command: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def finished(self) -> list[JobRecord]:
        """The jobs with measured numbers."""
        return [job for job in self.jobs if job.measured is not None]


def read_records(folder: Path) -> SweepRecord:
    """Return the jobs of a sweep, or of a folder of single runs. Raises InputError if there are no jobs.

    If ``sweep.json`` cannot be read, the folder is read as single runs, and a note says so.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; allowed: the folder of a sweep, or one that holds runs")
    notes: tuple[str, ...] = ()
    if (folder / SWEEP).exists():
        try:
            return _read_planned(folder)
        except InputError as error:
            # The report must not depend on the location of the folder.
            message = str(error).removeprefix(f"{folder}{os.sep}")
            notes = (f"{message}; read as a folder of single runs",)
    sweep = _read_loose(folder, notes=notes)
    if not sweep.jobs:
        why = notes[0] if notes else f"no jobs here: neither {SWEEP} nor a folder with {METRICS}"
        raise InputError(f"{folder}: {why}")
    return sweep


def _read_planned(folder: Path) -> SweepRecord:
    sweep = read_sweep(folder)
    jobs = [_read_job(folder, job) for job in add_command_axes(sweep.jobs, folder, without=_OF_A_COMMAND)]
    return SweepRecord(
        folder=folder,
        jobs=tuple(jobs),
        axes=_find_axes((job.axes for job in jobs), planned=sweep.axes),
        command=sweep.command,
    )


def _read_job(folder: Path, job: Job) -> JobRecord:
    state = read_state(folder / job.name)
    status, reason, measured = state.status, state.reason, None
    if status == FINISHED:
        try:
            measured = read_measured(read_json(folder / job.name / METRICS))
        except ValueError as error:
            status, reason = BROKEN, f"{METRICS}: {error}"
    elif status == RUNNING and reason is None:
        reason = f"started {state.begun}, no end recorded"
    return JobRecord(
        name=job.name,
        kind=job.kind,
        axes={key: make_plain(value) for key, value in job.axes.items()},
        overrides=job.overrides,
        status=status,
        reason=reason,
        seconds=state.seconds,
        measured=measured,
        kept=job.kept,
    )


def _read_loose(folder: Path, *, notes: tuple[str, ...]) -> SweepRecord:
    names = sorted(path.parent.name for path in folder.glob(f"*/{METRICS}"))
    found = [_read_job(folder, Job(name, (), {}, kind=RUN)) for name in names]
    overrides = {job.name: _read_overrides(job.measured) for job in found}
    # The axes are the keys that differ between the commands.
    keys = sorted({key for values in overrides.values() for key in values})
    varied = [key for key in keys if len({repr(values.get(key)) for values in overrides.values()}) > 1]
    jobs = tuple(
        JobRecord(
            name=job.name,
            kind=job.kind,
            axes={key: overrides[job.name].get(key) for key in varied},
            overrides=tuple(job.measured.command[1:]) if job.measured else (),
            status=job.status,
            reason=job.reason,
            measured=job.measured,
        )
        for job in found
    )
    return SweepRecord(folder=folder, jobs=jobs, axes=_find_axes(job.axes for job in jobs), notes=notes)


def _read_overrides(measured: Measured | None) -> dict[str, Any]:
    pairs = (word.partition("=") for word in (measured.command[1:] if measured else ()))
    values = {key.lstrip("+~"): value for key, sign, value in pairs if sign and not key.startswith("-")}
    return {
        key: parse_value(value)
        for key, value in values.items()
        if key.partition(".")[0] not in (*_NOT_AN_AXIS, "hydra")
    }


def _find_axes(
    rows: Iterable[Mapping[str, Any]], planned: Mapping[str, Sequence[Any]] | None = None
) -> dict[str, tuple[Any, ...]]:
    """Return the values of every axis: the planned ones in their order, then further values that jobs have."""
    values = {key: [make_plain(one) for one in some] for key, some in (planned or {}).items()}
    seen = {key: {repr(one) for one in some} for key, some in values.items()}
    for row in rows:
        for key, value in row.items():
            if value is not None and repr(value) not in seen.setdefault(key, set()):
                seen[key].add(repr(value))
                values.setdefault(key, []).append(value)
    return {key: tuple(some) for key, some in values.items()}

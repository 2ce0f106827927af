"""A sweep as it stands on disk: its jobs, each with its numbers or the reason why it has none. Nothing here raises for
a record that is damaged, half written or of another version: that is a job with a reason."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from compression.core.errors import InputError
from compression.sweep.answer.measured import Measured, read_measured
from compression.sweep.jobs import (
    FAILED,
    FINISHED,
    INTERRUPTED,
    JOB,
    KILLED,
    METRICS,
    RUNNING,
    SCHEMA_VERSION,
    SWEEP,
    WAITING,
    read_state,
)

# As a supervisor records them, then what only a reader finds: nothing there yet, and a record it cannot use.
BROKEN = "broken"
STATUSES = (FINISHED, RUNNING, FAILED, KILLED, INTERRUPTED, WAITING, BROKEN)
RUN, RANDOM, SMALL_DENSE = "run", "random", "small_dense"
BASELINES = (RANDOM, SMALL_DENSE)
SEED = "seed"
# Where a single run goes and how often, never what it computes.
_NOT_AN_AXIS = ("name", "output_dir", "overwrite", "until", "plan", "threads", "logger", "runtime")


@dataclass(frozen=True)
class JobRecord:
    """One configuration of a sweep, and what is on disk of it.

    ``axes`` are the values that tell it from the others, ``overrides`` the whole command after ``train.py``.
    ``measured`` is there exactly if ``status`` is ``finished``; otherwise ``reason`` says why in a line, if known.
    """

    name: str
    kind: str
    axes: Mapping[str, Any]
    overrides: tuple[str, ...]
    status: str
    reason: str | None = None
    seconds: float | None = None
    measured: Measured | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it is there to be beaten."""
        return self.kind in BASELINES

    @property
    def seed(self) -> int | None:
        """The seed it was asked for, or ran with."""
        asked = self.axes.get(SEED)
        return asked if isinstance(asked, int) or self.measured is None else self.measured.seed


@dataclass(frozen=True)
class SweepRecord:
    """All jobs of a folder, in the order they were planned."""

    folder: Path
    jobs: tuple[JobRecord, ...]
    axes: Mapping[str, tuple[Any, ...]]
    command: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def finished(self) -> list[JobRecord]:
        """The jobs with numbers."""
        return [job for job in self.jobs if job.measured is not None]


def read_records(folder: Path) -> SweepRecord:
    """Return the jobs of a sweep, or of a folder of single runs; InputError if there is neither."""
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; allowed: that of a sweep, or one that holds runs")
    notes: tuple[str, ...] = ()
    if (folder / SWEEP).exists():
        try:
            return _read_planned(folder, _read_json(folder / SWEEP))
        except ValueError as error:
            notes = (f"{SWEEP}: {error}; read as a folder of single runs",)
    sweep = _read_loose(folder, notes=notes)
    if not sweep.jobs:
        why = notes[0] if notes else f"no jobs here: neither {SWEEP} nor a folder with {METRICS}"
        raise InputError(f"{folder}: {why}")
    return sweep


def _read_planned(folder: Path, plan: Any) -> SweepRecord:
    if not isinstance(plan, Mapping) or not isinstance(plan.get("jobs"), list):
        raise ValueError("not a plan of jobs")
    version = plan.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ValueError(f"schema_version is {version!r}; known: {SCHEMA_VERSION}")
    jobs = [_read_job(folder, entry) for entry in plan["jobs"] if isinstance(entry, Mapping) and entry.get("name")]
    return SweepRecord(
        folder=folder,
        jobs=tuple(jobs),
        axes=_find_axes((job.axes for job in jobs), planned=plan.get("axes")),
        command=tuple(str(word) for word in plan.get("command") or ()),
    )


def _read_job(folder: Path, entry: Mapping[str, Any]) -> JobRecord:
    name = str(entry["name"])
    axes = entry.get("axes")
    status, reason, seconds = _read_status(folder / name)
    measured = None
    if status == FINISHED:
        try:
            measured = read_measured(_read_json(folder / name / METRICS))
        except ValueError as error:
            status, reason = BROKEN, f"{METRICS}: {error}"
        except (AttributeError, KeyError, TypeError, ArithmeticError) as error:
            # JSON, and none of ours: a list where a mapping belongs, say.
            status, reason = BROKEN, f"{METRICS}: damaged ({type(error).__name__}: {error!s:.80})"
    return JobRecord(
        name=name,
        kind=str(entry.get("kind") or "grid"),
        axes={str(key): _plain(value) for key, value in axes.items()} if isinstance(axes, Mapping) else {},
        overrides=tuple(str(word) for word in entry.get("overrides") or ()),
        status=status,
        reason=reason,
        seconds=seconds,
        measured=measured,
    )


def _read_status(folder: Path) -> tuple[str, str | None, float | None]:
    """Return status, reason and seconds of a job by its ``job.json``; a run without one is finished by its metrics."""
    has_metrics = (folder / METRICS).exists()
    if not (folder / JOB).exists():
        return (FINISHED if has_metrics else WAITING), None, None
    try:
        record = _read_json(folder / JOB)
        if not isinstance(record, Mapping):
            raise ValueError("not a record of a job")
        version = record.get("schema_version")
        if not isinstance(version, int) or version > SCHEMA_VERSION:
            raise ValueError(f"schema_version is {version!r}; known: {SCHEMA_VERSION}")
        status = record.get("status")
        if status not in STATUSES[:-1]:
            raise ValueError(f"status is {status!r:.40}; known: {', '.join(STATUSES[:-1])}")
    except ValueError as error:
        # Numbers are written once, at the end: where they are whole, the job is.
        return (FINISHED if has_metrics else BROKEN), f"{JOB}: {error}", None
    reason = record.get("reason")
    pid = record.get("pid")
    if status == RUNNING and isinstance(pid, int) and 0 < pid < 2**31:
        # A process that is gone wrote no end.
        state = read_state(folder)
        if state.status == INTERRUPTED:
            status, reason = INTERRUPTED, state.reason
    if reason is None and status == RUNNING:
        reason = f"begun {record.get('begun')}, no end recorded"
    seconds = record.get("seconds")
    return status, None if reason is None else " ".join(str(reason).split()), seconds if _is_finite(seconds) else None


def _read_loose(folder: Path, *, notes: tuple[str, ...]) -> SweepRecord:
    names = sorted(path.parent.name for path in folder.glob(f"*/{METRICS}"))
    found = [_read_job(folder, {"name": name, "kind": RUN}) for name in names]
    overrides = {job.name: _read_overrides(job.measured) for job in found}
    # What differs between the commands is what was varied.
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


def parse_value(text: str) -> Any:
    """Return a value of the command line as number, bool or text."""
    try:
        return _plain(yaml.safe_load(text))
    except yaml.YAMLError:
        return text


def _find_axes(rows: Iterable[Mapping[str, Any]], planned: Any = None) -> dict[str, tuple[Any, ...]]:
    """Return the values of every axis: those planned in their order, then what else jobs have."""
    values: dict[str, list[Any]] = {}
    if isinstance(planned, Mapping):
        values = {str(key): [_plain(one) for one in some] for key, some in planned.items() if isinstance(some, list)}
    seen = {key: {repr(one) for one in some} for key, some in values.items()}
    for row in rows:
        for key, value in row.items():
            if value is not None and repr(value) not in seen.setdefault(key, set()):
                seen[key].add(repr(value))
                values.setdefault(key, []).append(value)
    return {key: tuple(some) for key, some in values.items()}


def _plain(value: Any) -> Any:
    """Return the value of an axis as it can be written and drawn again; what is no finite number or text, as text."""
    if value is None or isinstance(value, (bool, str)) or _is_finite(value):
        return value
    return json.dumps(value, sort_keys=True, default=str)


def _is_finite(value: Any) -> bool:
    # Not math.isfinite: an integer may be too large for a float.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300


def _read_json(path: Path) -> Any:
    """Return what the file holds; ValueError in a line if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("missing") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not whole JSON ({str(error).split(':')[0].lower()})") from error

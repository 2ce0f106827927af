"""What stands on disk of a sweep and of each of its jobs. Nothing here raises for a job's record that is damaged, half
written or of another version: that is a job with a reason."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from compression.core.errors import InputError
from compression.system.files import write_atomic
from compression.system.processes import SILENCE, Process

SCHEMA_VERSION = 1
SWEEP, SEARCH, JOB, METRICS, OUTPUT = "sweep.json", "search.json", "job.json", "metrics.json", "output.log"
# Of a job: not begun, being run, done, ended by an error, ended from outside, left by a process that is gone.
WAITING, RUNNING, FINISHED, FAILED, KILLED, INTERRUPTED = (
    "waiting",
    "running",
    "finished",
    "failed",
    "killed",
    "interrupted",
)
# What only a reader finds: a record it cannot use.
BROKEN = "broken"
_WRITTEN = (FINISHED, RUNNING, FAILED, KILLED, INTERRUPTED, WAITING)
STATUSES = (*_WRITTEN, BROKEN)
# Kinds of jobs that are there to be beaten: random pruning, a narrow dense network.
RANDOM, SMALL_DENSE = "random", "small_dense"


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its folder's name, its command line, where it lies on the axes.

    ``kind``: grid, or what kind of baseline. ``stages``: ids of the stages it is made of that were finished
    before it ran, by stage. ``kept``: an earlier command of the same folder ran it, and the last one does not ask for
    it.
    """

    name: str
    overrides: tuple[str, ...]
    axes: Mapping[str, Any]
    kind: str = "grid"
    stages: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False

    @property
    def digest(self) -> str:
        """The end of its name, which stands for all that it computes from."""
        return self.name.rpartition("-")[2]


def keep_others(own: Sequence[Job], earlier: Iterable[Job]) -> tuple[Job, ...]:
    """Return a command's ``own`` jobs, then the ``earlier`` ones that are none of these.

    In this order, as Hydra's numbers are those of its own.
    """
    digests = {job.digest for job in own}
    return (*own, *(replace(job, kept=True) for job in earlier if job.digest not in digests))


@dataclass(frozen=True)
class Sweep:
    """A sweep as it was begun: the command, the values of each axis, the jobs in their order."""

    folder: Path
    command: tuple[str, ...]
    axes: Mapping[str, Sequence[Any]]
    jobs: tuple[Job, ...]

    @property
    def own(self) -> list[Job]:
        """The jobs of its command, first of all."""
        return [job for job in self.jobs if not job.kept]

    def write(self) -> None:
        """Write ``sweep.json``."""
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        del document["folder"]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / SWEEP, (json.dumps(document, indent=1) + "\n").encode())


def read_sweep(folder: Path) -> Sweep:
    """Return the sweep in ``folder``; raises InputError."""
    path = folder / SWEEP
    if not folder.is_dir():
        raise InputError(f"{folder}: must be a folder of a sweep, and is none")
    if not path.exists():
        raise InputError(f"{folder} is no sweep: it has no {SWEEP}")
    try:
        document = _check_version(read_json(path))
        jobs, axes, command = document.get("jobs"), document.get("axes"), document.get("command")
        if not isinstance(jobs, list):
            raise ValueError("not a plan of jobs")
        return Sweep(folder, _to_texts(command), _to_axes(axes), tuple(_to_job(job) for job in jobs))
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _to_axes(axes: Any) -> dict[str, list[Any]]:
    axes = {} if axes is None else axes
    if not isinstance(axes, Mapping) or not all(isinstance(values, list) for values in axes.values()):
        raise ValueError("axes are no lists of values")
    return dict(axes)


def _to_job(entry: Any) -> Job:
    if not isinstance(entry, Mapping):
        raise ValueError("a job is no mapping")
    name, axes, stages = entry.get("name"), entry.get("axes") or {}, entry.get("stages") or {}
    # The name is that of a folder in the sweep's.
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"a job's name is {name!r:.40}")
    if not isinstance(axes, Mapping) or not isinstance(stages, Mapping):
        raise ValueError(f"axes or stages of {name} are no mapping")
    kind = str(entry.get("kind") or "grid")
    return Job(name, _to_texts(entry.get("overrides")), axes, kind, stages, kept=entry.get("kept") is True)


def _to_texts(words: Any) -> tuple[str, ...]:
    if words is not None and not isinstance(words, list):
        raise ValueError(f"{words!r:.40} is no list")
    return tuple(str(word) for word in words or ())


@dataclass(frozen=True)
class JobState:
    """How a job stands. ``attempts``: how often it was begun. ``invocation``: of the command that began it last.

    ``pid``, ``pid_begun`` and ``host``: of the process that runs it.
    """

    name: str
    status: str
    reason: str | None = None
    begun: str | None = None
    ended: str | None = None
    seconds: float | None = None
    attempts: int = 0
    pid: int | None = None
    pid_begun: float | None = None
    host: str | None = None
    invocation: str | None = None

    def write(self, folder: Path) -> None:
        """Write ``job.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        write_atomic(folder / JOB, (json.dumps(document, indent=1) + "\n").encode())


# What a field of ``job.json`` may be, if it is there.
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "reason": str,
    "begun": str,
    "ended": str,
    "seconds": (int, float),
    "attempts": int,
    "pid": int,
    "pid_begun": (int, float),
    "host": str,
    "invocation": str,
}


def read_state(folder: Path) -> JobState:
    """Return how the job in ``folder`` stands; one whose process is gone is interrupted.

    Numbers are written once, at the end: a run without a record that can be read is finished where they are.
    """
    has_metrics = (folder / METRICS).exists()
    if not (folder / JOB).exists():
        return JobState(folder.name, FINISHED if has_metrics else WAITING)
    try:
        state = _to_state(folder.name, _check_version(read_json(folder / JOB)))
    except ValueError as error:
        return JobState(folder.name, FINISHED if has_metrics else BROKEN, f"{JOB}: {error}")
    if state.status != RUNNING or state.host is None or state.pid is None:
        return state
    # A process that is gone wrote no end.
    process = Process(state.host, state.pid, state.pid_begun)
    if process.is_alive(folder / JOB):
        return state
    why = "its process is gone" if process.is_here else f"{state.host} has been silent for {SILENCE // 60} minutes"
    return replace(state, status=INTERRUPTED, reason=f"{why}; run it again")


def _to_state(name: str, record: Mapping[str, Any]) -> JobState:
    status = record.get("status")
    if status not in _WRITTEN:
        raise ValueError(f"status is {status!r:.40}; known: {', '.join(_WRITTEN)}")
    known = {key: record[key] for key in _TYPES if record.get(key) is not None}
    for key, value in known.items():
        # Not math.isfinite: an integer may be too large for a float.
        if not isinstance(value, _TYPES[key]) or (isinstance(value, (int, float)) and not abs(value) < 1e300):
            raise ValueError(f"{key} is {value!r:.40}")
    if "begun" in known and datetime.fromisoformat(known["begun"]).tzinfo is None:
        raise ValueError(f"begun is {known['begun']!r:.40}, without a time zone")
    if "reason" in known:
        known["reason"] = " ".join(known["reason"].split())
    return JobState(name, status, **known)


def _check_version(record: Any) -> Mapping[str, Any]:
    if not isinstance(record, Mapping):
        raise ValueError("not a mapping")
    version = record.get("schema_version")
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise ValueError(f"schema_version is {version!r:.40}; known: {SCHEMA_VERSION}")
    return record


def read_json(path: Path) -> Any:
    """Return what the file holds; ValueError in a line if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("missing") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not whole JSON ({str(error).split(':')[0].lower()})") from error


def read_log_line(folder: Path) -> str | None:
    """Return the last line of what the job in ``folder`` has said."""
    try:
        with (folder / OUTPUT).open("rb") as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - 4096))
            text = output.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else None

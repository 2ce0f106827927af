"""The records of a sweep and of its jobs on disk.

A job's record that is damaged, half written or of another version raises nothing: that job is BROKEN, with a reason.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from compression.core.errors import InputError
from compression.core.json_record import Whole, check_version, convert_record
from compression.system.files import write_atomic
from compression.system.processes import SILENCE, Process

SCHEMA_VERSION = 1
SWEEP, SEARCH, JOB, METRICS, OUTPUT = "sweep.json", "search.json", "job.json", "metrics.json", "output.log"
# Of a job: not started, running, done, ended by an error, ended from outside, left by a process that is gone.
WAITING, RUNNING, FINISHED, FAILED, KILLED, INTERRUPTED = (
    "waiting",
    "running",
    "finished",
    "failed",
    "killed",
    "interrupted",
)
# Found only by a reader: a record that cannot be used.
BROKEN = "broken"
_WRITTEN = (FINISHED, RUNNING, FAILED, KILLED, INTERRUPTED, WAITING)
STATUSES = (*_WRITTEN, BROKEN)
# What is larger can be neither added nor shown.
_Seconds = Whole | Annotated[float, Meta(gt=-1e300, lt=1e300)]
# Kinds of jobs that are baselines: random pruning, a narrow dense network.
RANDOM, SMALL_DENSE = "random", "small_dense"


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its folder's name, its command line, its values on the axes.

    ``kind``: grid, or a kind of baseline. ``stages``: ids of its stages that were finished before it ran, by stage.
    ``kept``: an earlier command of the same folder ran it, and the last command does not ask for it.
    """

    name: str
    overrides: tuple[str, ...] = ()
    axes: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "grid"
    stages: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False

    def __post_init__(self) -> None:
        """Raise ``InputError`` unless the name is that of a folder in the sweep's."""
        if Path(self.name).name != self.name or self.name == "..":
            raise InputError(f"name={self.name!r:.80}: must be the name of a folder")

    @property
    def digest(self) -> str:
        """The end of its name: a hash of everything that its result depends on."""
        return self.name.rpartition("-")[2]


def keep_others(own: Sequence[Job], earlier: Iterable[Job]) -> tuple[Job, ...]:
    """Return a command's ``own`` jobs, then those of the ``earlier`` jobs that are not among them.

    Its own jobs come first, as Hydra numbers them.
    """
    digests = {job.digest for job in own}
    return (*own, *(replace(job, kept=True) for job in earlier if job.digest not in digests))


@dataclass(frozen=True)
class Sweep:
    """A sweep as it was started: the command, the values of each axis, the jobs in their order."""

    folder: Path
    command: tuple[str, ...]
    axes: Mapping[str, Sequence[Any]]
    jobs: tuple[Job, ...]

    @property
    def own(self) -> list[Job]:
        """The jobs of its own command."""
        return [job for job in self.jobs if not job.kept]

    def write(self) -> None:
        """Write ``sweep.json``."""
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        del document["folder"]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / SWEEP, (json.dumps(document, indent=1) + "\n").encode())


class _Plan(Struct):
    jobs: list[Job]
    axes: dict[str, list[Any]] = {}
    command: tuple[str, ...] = ()


def read_sweep(folder: Path) -> Sweep:
    """Return the sweep in ``folder``; raises InputError."""
    path = folder / SWEEP
    if not folder.is_dir():
        raise InputError(f"{folder}: must be a folder of a sweep, and is none")
    if not path.exists():
        raise InputError(f"{folder} is no sweep: it has no {SWEEP}")
    try:
        document = read_json(path)
        check_version(document, newest=SCHEMA_VERSION)
        plan = convert_record(document, _Plan)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return Sweep(folder, plan.command, plan.axes, tuple(plan.jobs))


@dataclass(frozen=True)
class JobState:
    """The state of a job. ``attempts``: how often it was started. ``invocation``: of the command that started it last.

    ``pid``, ``pid_begun`` and ``host``: of the process that runs it. ``seconds``: its duration. ``begun`` and
    ``ended``: times in ISO 8601, with a time zone.
    """

    name: str
    status: str
    reason: str | None = None
    begun: str | None = None
    ended: str | None = None
    seconds: _Seconds | None = None
    attempts: Whole = 0
    pid: Whole | None = None
    pid_begun: _Seconds | None = None
    host: str | None = None
    invocation: str | None = None

    def write(self, folder: Path) -> None:
        """Write ``job.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        write_atomic(folder / JOB, (json.dumps(document, indent=1) + "\n").encode())


def read_state(folder: Path) -> JobState:
    """Return the state of the job in ``folder``; a job whose process is gone is interrupted.

    ``metrics.json`` is written once, at the end: a job with it is finished even where its record cannot be read.
    """
    has_metrics = (folder / METRICS).exists()
    if not (folder / JOB).exists():
        return JobState(folder.name, FINISHED if has_metrics else WAITING)
    try:
        state = _to_state(folder.name, read_json(folder / JOB))
    except ValueError as error:
        return JobState(folder.name, FINISHED if has_metrics else BROKEN, f"{JOB}: {error}")
    if state.status != RUNNING or state.host is None or state.pid is None:
        return state
    # A process that was killed wrote no end.
    process = Process(state.host, state.pid, state.pid_begun)
    if process.is_alive(folder / JOB):
        return state
    why = "its process is gone" if process.is_here else f"{state.host} has been silent for {SILENCE // 60} minutes"
    return replace(state, status=INTERRUPTED, reason=f"{why}; run it again")


def _to_state(name: str, record: Any) -> JobState:
    check_version(record, newest=SCHEMA_VERSION)
    if record.get("status") not in _WRITTEN:
        raise ValueError(f"status={record.get('status')!r:.40}: must be one of {', '.join(_WRITTEN)}")
    state = convert_record({**record, "name": name}, JobState)
    if state.begun is not None and datetime.fromisoformat(state.begun).tzinfo is None:
        raise ValueError(f"begun={state.begun!r:.40}: must have a time zone")
    return state if state.reason is None else replace(state, reason=" ".join(state.reason.split()))


def read_json(path: Path) -> Any:
    """Return the content of the file; raises ValueError in one line if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("missing") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not whole JSON ({str(error).split(':')[0].lower()})") from error


def read_log_line(folder: Path) -> str | None:
    """Return the last line that the job in ``folder`` has printed, None where there is none."""
    try:
        with (folder / OUTPUT).open("rb") as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - 4096))
            text = output.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else None

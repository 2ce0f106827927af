"""The records of a sweep and of its jobs on disk.

A damaged, truncated or newer record of a job raises no error: that job has the status BROKEN and a reason.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from compression.config.sweep_environment import SWEEP_RECORD
from compression.core.errors import InputError
from compression.core.file_names import METRICS
from compression.core.json_record import Whole, check_version, convert_record
from compression.system.files import write_atomic
from compression.system.processes import SILENCE, Process

SCHEMA_VERSION = 1
SWEEP = SWEEP_RECORD
SEARCH, JOB, OUTPUT = "search.json", "job.json", "output.log"
# Status of a job: not started, running, done, ended by an error, ended by a signal, left by a process that is gone.
WAITING, RUNNING, FINISHED, FAILED, KILLED, INTERRUPTED = (
    "waiting",
    "running",
    "finished",
    "failed",
    "killed",
    "interrupted",
)
# Status that only a reader gives: the record of the job cannot be used.
BROKEN = "broken"
_WRITTEN = (FINISHED, RUNNING, FAILED, KILLED, INTERRUPTED, WAITING)
STATUSES = (*_WRITTEN, BROKEN)
# The limits exclude values that can be neither added up nor shown.
_Seconds = Whole | Annotated[float, Meta(gt=-1e300, lt=1e300)]
# Kinds of jobs that are baselines: random pruning, a narrow dense network.
RANDOM, SMALL_DENSE = "random", "small_dense"


@dataclass(frozen=True)
class Job:
    """One run of a sweep: the name of its folder, its command line, and its values on the axes.

    ``kind`` is ``grid`` or a kind of baseline. ``stages`` are the ids of the job's stages that were finished before the
    job ran, by stage. A ``kept`` job comes from an earlier command in the same folder; the last command does not
    include it. ``identity`` is the hash of everything that the job's result depends on; it is empty in records of
    earlier versions, and for a configuration that cannot be composed.
    """

    name: str
    overrides: tuple[str, ...] = ()
    axes: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "grid"
    stages: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False
    identity: str = ""

    def __post_init__(self) -> None:
        """Raise ``InputError`` unless ``name`` can be the name of a folder."""
        if Path(self.name).name != self.name or self.name == "..":
            raise InputError(f"name={self.name!r:.80}: must be the name of a folder")

    @property
    def digest(self) -> str:
        """The end of the name: the first digits of ``identity``, as many as tell the jobs of a folder apart."""
        return self.name.rpartition("-")[2]


def keep_others(own: Sequence[Job], earlier: Iterable[Job]) -> tuple[Job, ...]:
    """Return the ``own`` jobs of a command, followed by the ``earlier`` jobs that are not among them, marked as kept.

    The command's jobs come first, because Hydra numbers only these.
    """
    names = {job.name for job in own}
    return (*own, *(replace(job, kept=True) for job in earlier if job.name not in names))


@dataclass(frozen=True)
class Sweep:
    """A sweep as its command started it: the command, the values of each axis, and the jobs in order."""

    folder: Path
    command: tuple[str, ...]
    axes: Mapping[str, Sequence[Any]]
    jobs: tuple[Job, ...]

    @property
    def own(self) -> list[Job]:
        """The jobs of the last command, without kept ones."""
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
    """Return the sweep that ``folder`` records; raises InputError."""
    path = folder / SWEEP
    if not folder.is_dir():
        raise InputError(f"{folder}: must be the folder of a sweep, but is not a folder")
    if not path.exists():
        raise InputError(f"{folder} is not the folder of a sweep: it has no {SWEEP}")
    try:
        document = read_json(path)
        check_version(document, newest=SCHEMA_VERSION)
        plan = convert_record(document, _Plan)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error
    return Sweep(folder, plan.command, plan.axes, tuple(plan.jobs))


@dataclass(frozen=True)
class JobState:
    """The state of a job.

    ``begun`` and ``ended`` are times in ISO 8601, with a time zone; ``seconds`` is the duration. ``attempts`` counts
    the starts of the job. ``pid``, ``pid_begun``, ``pid_start`` and ``host`` identify the process that runs it (see
    ``Process``), and ``invocation`` identifies the command that started it last.
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
    pid_start: str | None = None
    host: str | None = None
    invocation: str | None = None

    def write(self, folder: Path) -> None:
        """Write ``job.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        write_atomic(folder / JOB, (json.dumps(document, indent=1) + "\n").encode())


def read_state(folder: Path) -> JobState:
    """Return the state of the job in ``folder``. If the process of a running job is gone, the job is interrupted.

    A job with a ``metrics.json`` is finished, even if its record cannot be read: that file is written at the very end.
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
    # A killed process could not record its end.
    process = Process(state.host, state.pid, state.pid_begun, state.pid_start)
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
    """Return the content of a JSON file; raises ValueError with a message of one line if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ValueError("missing") from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not valid JSON ({str(error).split(':')[0].lower()})") from error


def read_log_line(folder: Path) -> str | None:
    """Return the last line that the job in ``folder`` has printed, or None if it has printed nothing."""
    try:
        with (folder / OUTPUT).open("rb") as output:
            output.seek(max(0, output.seek(0, os.SEEK_END) - 4096))
            text = output.read().decode(errors="replace")
    except FileNotFoundError:
        return None
    lines = [line.strip() for line in text.replace("\r", "\n").splitlines() if line.strip()]
    return lines[-1] if lines else None

"""What stands on disk of a sweep and of each of its jobs."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from compression.core.errors import InputError
from compression.core.files import write_atomic

SCHEMA_VERSION = 1
SWEEP, JOB, METRICS, OUTPUT = "sweep.json", "job.json", "metrics.json", "output.log"
# Of a job: not begun, being run, done, ended by an error, ended from outside, left by a process that is gone.
WAITING, RUNNING, FINISHED, FAILED, KILLED, INTERRUPTED = (
    "waiting",
    "running",
    "finished",
    "failed",
    "killed",
    "interrupted",
)


@dataclass(frozen=True)
class Job:
    """One run of a sweep: its folder's name, its command line, where it lies on the axes.

    ``kind``: grid, or what kind of baseline. ``stages``: ids of the stages it is made of that were finished
    before it ran, by stage.
    """

    name: str
    overrides: tuple[str, ...]
    axes: Mapping[str, Any]
    kind: str = "grid"
    stages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """A sweep as it was begun: the command, the values of each axis, the jobs in their order."""

    folder: Path
    command: tuple[str, ...]
    axes: Mapping[str, Sequence[Any]]
    jobs: tuple[Job, ...]

    def write(self) -> None:
        """Write ``sweep.json``."""
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        del document["folder"]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / SWEEP, (json.dumps(document, indent=1) + "\n").encode())


def read_sweep(folder: Path) -> Sweep:
    """Return the sweep in ``folder``; raises InputError."""
    path = folder / SWEEP
    try:
        document = json.loads(path.read_text())
        jobs = tuple(Job(**{**job, "overrides": tuple(job["overrides"])}) for job in document["jobs"])
        return Sweep(folder, tuple(document["command"]), document["axes"], jobs)
    except FileNotFoundError as error:
        raise InputError(f"{folder} is no sweep: it has no {SWEEP}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error


@dataclass(frozen=True)
class JobState:
    """How a job stands. ``attempts``: how often it was begun. ``pid`` and ``host``: of the process that runs it."""

    name: str
    status: str
    reason: str | None = None
    begun: str | None = None
    ended: str | None = None
    seconds: float | None = None
    attempts: int = 0
    pid: int | None = None
    host: str | None = None

    def write(self, folder: Path) -> None:
        """Write ``job.json``."""
        folder.mkdir(parents=True, exist_ok=True)
        document = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        write_atomic(folder / JOB, (json.dumps(document, indent=1) + "\n").encode())


def read_state(folder: Path) -> JobState:
    """Return how the job in ``folder`` stands; one whose process is gone is interrupted."""
    try:
        document = json.loads((folder / JOB).read_text())
        state = JobState(**{key: value for key, value in document.items() if key != "schema_version"})
    except FileNotFoundError:
        return JobState(folder.name, WAITING)
    except (TypeError, ValueError) as error:
        return JobState(folder.name, FAILED, reason=f"{JOB} cannot be read: {error}")
    if state.status == RUNNING and state.host == socket.gethostname() and not _is_alive(state.pid):
        return JobState(**{**asdict(state), "status": INTERRUPTED, "reason": "its process is gone; run it again"})
    return state


def _is_alive(pid: int | None) -> bool:
    return pid is not None and (pid == os.getpid() or psutil.pid_exists(pid))


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

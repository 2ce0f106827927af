"""Jobs of a sweep in separate processes, so that a crash ends one job only."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from compression.config.override_text import quote
from compression.config.sweep_environment import SweepEnvironment
from compression.core.file_names import METRICS
from compression.sweep.jobs import (
    FAILED,
    FINISHED,
    JOB,
    KILLED,
    OUTPUT,
    RUNNING,
    Job,
    JobState,
    read_json,
    read_state,
)
from compression.system.processes import describe_process, keep_touching

# Exit codes above this number: a signal ended the process in order.
_SIGNALLED = 128
_STOPPED = "stopped from the keyboard or with the sweep"
# Number of last lines of output that are searched for the reason of a failure.
_TAIL = 40

# The running jobs of this process, each awaited by one of its threads.
_children: set[subprocess.Popen[bytes]] = set()
_stopping = threading.Event()


def stop_children() -> None:
    """Kill all running jobs, and every job that starts from now on; the threads that await them record it."""
    _stopping.set()
    for child in [*_children]:
        child.kill()


def run_job(job: Job, *, folder: Path, script: Path, environment: Mapping[str, str] | None = None) -> JobState:
    """Run ``python SCRIPT OVERRIDES`` in a child process until it ends, and return the final state of the job.

    Metrics that an earlier attempt left in the folder are removed first.
    """
    attempts = read_state(folder).attempts + 1
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS).unlink(missing_ok=True)
    begun, started = _now(), time.perf_counter()
    command = [sys.executable, str(script), *job.overrides, f"hydra.run.dir={quote(str(folder))}", "hydra.mode=RUN"]
    with (folder / OUTPUT).open("w") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(environment or {}),
        )
        process = describe_process(child.pid)
        state = JobState(
            job.name,
            RUNNING,
            begun=begun,
            attempts=attempts,
            pid=process.pid,
            pid_begun=process.begun,
            pid_start=process.start,
            host=process.host,
            invocation=SweepEnvironment.read().invocation,
        )
        try:
            code = _await(child, state, folder)
        except BaseException:
            _ended(state, KILLED, _STOPPED, started).write(folder)
            raise
    status, reason = _judge(code, folder)
    state = _ended(state, status, reason, started)
    state.write(folder)
    return state


def _await(child: subprocess.Popen[bytes], state: JobState, folder: Path) -> int:
    """Return the exit code of ``child``, and keep its record fresh until it ends. An error kills ``child``."""
    stop_touching = threading.Event()
    try:
        state.write(folder)
        stop_touching = keep_touching(folder / JOB)
        _children.add(child)
        if _stopping.is_set():
            child.kill()
        return child.wait()
    except BaseException:
        child.kill()
        child.wait()
        raise
    finally:
        stop_touching.set()
        _children.discard(child)


def _judge(code: int, folder: Path) -> tuple[str, str | None]:
    """Return the status of a job that ended with ``code``, and the reason unless it finished."""
    if code != 0 and _stopping.is_set():
        return KILLED, _STOPPED
    if code == 0 and (folder / METRICS).exists():
        return FINISHED, None
    if code < 0:
        name = signal.Signals(-code).name
        hint = ", as a system out of memory does" if name == "SIGKILL" else ""
        return KILLED, f"killed by {name}{hint}"
    # If a signal ended the process in order, its output names the signal.
    return KILLED if code > _SIGNALLED else FAILED, _find_reason(folder / OUTPUT, code)


def _environment(wanted: Mapping[str, str]) -> dict[str, str]:
    variables = dict(os.environ)
    # The child is a single run, not a sweep.
    replace(SweepEnvironment.read(), sweep_file=None, parent=os.getpid()).write(variables)
    return {**variables, **wanted}


def exit_with_parent() -> None:
    """End this process soon after its parent has ended, if this is a job or a worker of a sweep.

    Do nothing in other processes. Tasks of a cluster are such: the process that submitted them may end.
    """
    environment = SweepEnvironment.read()
    parent = environment.parent
    replace(environment, parent=None).write()
    if parent is None or parent == os.getpid():
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="exit-with-parent").start()


def _ended(state: JobState, status: str, reason: str | None, started: float) -> JobState:
    seconds = round(time.perf_counter() - started, 2)
    return replace(state, status=status, reason=reason, ended=_now(), seconds=seconds)


def is_done(job: Job, folder: Path) -> bool:
    """Return whether the job has finished with the stages that its command needs now."""
    if read_state(folder).status != FINISHED:
        return False
    try:
        made = read_json(folder / METRICS)["run"]["stages"]
    except (KeyError, TypeError, ValueError):
        return False
    if not isinstance(made, Mapping):
        return False
    wanted = {stage: one for stage, one in job.stages.items() if stage in made}
    return bool(wanted) and wanted == made


def _find_reason(output: Path, code: int) -> str:
    """Return the line of the output that gives the reason: an ``error:`` line, else the last line of a traceback."""
    lines = [line.rstrip() for line in output.read_text(errors="replace").splitlines() if line.strip()][-_TAIL:]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    raised = [line for line in lines if not line.startswith((" ", "\t")) and ("Error" in line or "Exception" in line)]
    if raised:
        return raised[-1][:300]
    return f"exit code {code}" if code else f"exit code 0, and no {METRICS}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")

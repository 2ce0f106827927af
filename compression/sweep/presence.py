"""Records of the processes that work on a sweep. Between two jobs no record of a job shows them."""

import json
from dataclasses import asdict
from pathlib import Path

from compression.core.errors import InputError
from compression.sweep.jobs import read_json
from compression.system.files import write_atomic
from compression.system.processes import Process, describe_process, keep_touching

# This folder holds a file for each working process: several processes may share a search.
OPEN = ".open"


def open_sweep(folder: Path) -> None:
    """Record that this process works on the sweep in ``folder``."""
    for path in _list_files(folder):
        process = _read(path)
        if process is None or not process.is_alive(path):
            path.unlink(missing_ok=True)
    own = describe_process()
    write_atomic(find_sign(folder, own), (json.dumps(asdict(own)) + "\n").encode())
    keep_touching(find_sign(folder, own))


def close_sweep(folder: Path) -> None:
    """Remove the record that ``open_sweep`` of this process wrote."""
    find_sign(folder, describe_process()).unlink(missing_ok=True)


def is_open(folder: Path) -> bool:
    """Return whether a process works on the sweep in ``folder``."""
    processes = {path: _read(path) for path in _list_files(folder)}
    return any(process is not None and process.is_alive(path) for path, process in processes.items())


def refuse_opened(folder: Path) -> None:
    """Raise ``InputError`` if another process of this machine works on the sweep in ``folder``."""
    own = describe_process()
    for path in _list_files(folder):
        process = _read(path)
        if process is not None and process.host == own.host and process.pid != own.pid and process.is_alive():
            raise InputError(
                f"{folder}: process {process.pid} works on this sweep (python -m compression status shows it); "
                "wait for it, or give another name="
            )


def find_sign(folder: Path, process: Process) -> Path:
    """Return the record of a process that works on the sweep in ``folder``. The process touches it while it lives."""
    return folder / OPEN / f"{process.host}-{process.pid}.json"


def _list_files(folder: Path) -> list[Path]:
    return sorted((folder / OPEN).glob("*.json"))


def _read(path: Path) -> Process | None:
    try:
        return Process(**read_json(path))
    except (TypeError, ValueError):
        return None

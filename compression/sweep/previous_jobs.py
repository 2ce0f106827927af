"""Jobs that earlier commands left in a sweep's folder. They stay in its report."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compression.core.errors import InputError
from compression.sweep.job_grid import parse_lines, place
from compression.sweep.jobs import SEARCH, SWEEP, WAITING, Job, read_state, read_sweep


def read_earlier(folder: Path) -> list[Job]:
    """Return the started jobs in ``folder``; raises InputError if no sweep can be added to this folder."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give another name=")
    if (folder / SEARCH).exists():
        raise InputError(f"{folder} holds a search ({SEARCH}): give another name=")
    if not (folder / SWEEP).exists():
        return []
    try:
        jobs = read_sweep(folder).jobs
    except InputError as error:
        raise InputError(f"{error}; give another name=, or remove this file: finished stages are reused") from error
    return [job for job in jobs if read_state(folder / job.name).status != WAITING]


def add_axes(jobs: Sequence[Job], axes: Iterable[str]) -> list[Job]:
    """Return ``jobs``. Jobs of a grid also get their values on those ``axes`` that their commands set."""
    return [job if job.kind != "grid" else replace(job, axes={**_place(job, axes), **job.axes}) for job in jobs]


def _place(job: Job, axes: Iterable[str]) -> Mapping[str, Any]:
    return place(parse_lines(job.overrides), set(axes))


def join_axes(axes: Mapping[str, Sequence[Any]], places: Iterable[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of ``axes``, followed by other values that the ``places`` of jobs have on any axis."""
    joined = {key: list(values) for key, values in axes.items()}
    for one in places:
        for key, value in one.items():
            if value not in joined.setdefault(key, []):
                joined[key].append(value)
    return joined

"""Commands that add a job to an existing folder: the sweep's own command, with every axis held at one value."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from compression.config.override_text import key_of
from compression.sweep.command_words import FOLD
from compression.sweep.jobs import SEARCH
from compression.sweep.report.configuration_labels import MATCHES
from compression.sweep.report.records import RUN, JobRecord, SweepRecord
from compression.sweep.search.space import to_override

# Keys that apply to a single call of the command only.
_OF_A_CALL = ("overwrite", "plan")
# Keys that a new single run must not copy, such as the name of the folder.
_NOT_TAKEN = ("name", "hydra", "plan")
# The default number of trials of `compression search`, and how many more trials are proposed.
TRIALS, _MORE = 40, 10


def is_search(sweep: SweepRecord) -> bool:
    """Return whether the folder belongs to a search, which chooses its configurations itself."""
    return (sweep.folder / SEARCH).exists()


def add_point(sweep: SweepRecord, start: JobRecord, changes: Mapping[str, Any]) -> str:
    """Return a command that adds one job to the sweep: ``start`` with ``changes``.

    For a single run, or if the sweep's command is unknown, return the command of a single run.
    """
    own = _overrides(start)
    point = {key: to_override(own.get(key, key).partition("=")[0], value) for key, value in changes.items()}
    if start.kind == RUN or not sweep.command:
        kept = [word for key, word in own.items() if key not in changes and not key.startswith(_NOT_TAKEN)]
        return f"python train.py {shlex.join([*kept, *point.values()])}"
    return _join(sweep.command, {**_hold(sweep, start), **point}, without=(*_OF_A_CALL, "baselines"))


def repeat(sweep: SweepRecord, job: JobRecord) -> str:
    """Return the command that runs ``job`` again: the sweep's own command, which skips finished jobs.

    A search is continued. A job of an earlier command (``kept``) is held at its own values, or at those of the job that
    it matches. A baseline adds ``baselines=true``.
    """
    if is_search(sweep):
        return _search(sweep.command[1:])
    if job.kind == RUN or not sweep.command:
        return add_point(sweep, job, {})
    wanted = {"baselines": "baselines=true"} if job.is_baseline else {}
    if job.kept:
        matched = next((one for one in sweep.jobs if one.name == job.axes.get(MATCHES)), job)
        shared = {key: _hold(sweep, job)[key] for key in job.axes if key in matched.axes and key != FOLD}
        wanted = {**_hold(sweep, matched), **shared, **wanted}
    return _join(sweep.command, wanted)


def search_on(sweep: SweepRecord) -> tuple[str, int]:
    """Return the command that continues a search with more trials, and the number of added trials."""
    kept, trials, words = [], TRIALS, iter(sweep.command[1:])
    for word in words:
        if word.partition("=")[0] != "--trials":
            kept.append(word)
            continue
        value = word.partition("=")[2] or next(words, "")
        trials = int(value) if value.isdecimal() else trials
    return _search([*kept, "--trials", str(trials + _MORE)]), _MORE


def _search(words: Sequence[str]) -> str:
    return f"python -m compression {shlex.join(words)}"


def _join(command: Sequence[str], wanted: Mapping[str, str], *, without: Sequence[str] = _OF_A_CALL) -> str:
    """Return the command with the overrides in ``wanted``, in place of those of the same key or at the end.

    Overrides of keys in ``without`` are dropped.
    """
    left, words = dict(wanted), []
    for word in command[1:]:
        is_override = "=" in word and not word.startswith("-")
        key = key_of(word)
        if not is_override or key not in (*wanted, *without):
            words.append(word)
        elif key in left:
            words.append(left.pop(key))
    return shlex.join(["python", command[0], *words, *left.values()])


def _hold(sweep: SweepRecord, job: JobRecord) -> dict[str, str]:
    """Return the overrides that hold each axis at the value of ``job``, plus ``name=`` if the command has no name."""
    own = _overrides(job)
    # A configuration is compared by all of its folds.
    held = {key: own.get(key, to_override(key, value)) for key, value in job.axes.items() if key != FOLD}
    if any(key_of(word) == "name" for word in sweep.command[1:]):
        return held
    return {**held, "name": to_override("name", sweep.folder.resolve().name)}


def _overrides(job: JobRecord) -> dict[str, str]:
    return {key_of(word): word for word in job.overrides if "=" in word}

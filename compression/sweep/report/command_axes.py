"""The axes that several commands of one folder make together.

If a key has one value in each command, and another value in another command, no command has it as an axis. Jobs that
differ in it must not count as seeds of one configuration.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from compression.config.override_text import key_of
from compression.core.errors import InputError
from compression.core.file_names import CONFIG
from compression.core.flatten import flatten
from compression.sweep.jobs import RANDOM, Job
from compression.sweep.report.axis_values import make_plain, parse_value

# A small dense job needs no such axis, because it names the job that it matches.
_KINDS = ("grid", RANDOM)
# The group of presets that may set any key, and that of presets with a grid. Of the latter, the settings count alone.
_PRESETS, _GRIDS = "experiment", "sweep"
# What makes a job a random one. The name of its strategy stands for them.
_NAME = "strategy.name"
_OF_RANDOM = (_NAME, "strategy.criterion", "strategy.regrowth")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def add_command_axes(jobs: Sequence[Job], folder: Path, *, without: Collection[str]) -> list[Job]:
    """Return the ``jobs`` of the sweep in ``folder``, with an axis for each setting in which their commands differ.

    Where the command of a job does not name the setting, the value is that which the job recorded when it ran; if it
    recorded none, the job lacks this axis. A key is no axis if it or its first part is in ``without``.
    """
    settings = {job.name: _Settings(job, folder, without) for job in jobs if job.kind in _KINDS}
    alike = [[settings[job.name] for job in jobs if job.kind == kind] for kind in _KINDS]
    keys = dict.fromkeys(key for some in alike if _may_differ(some) for key in _list_differing(some))
    if not keys:
        return list(jobs)
    return [_add(job, settings[job.name], keys) if job.name in settings else job for job in jobs]


class _Settings:
    """The settings of a job: ``named`` are those of its command, as text, and ``recorded`` are all that it ran with."""

    def __init__(self, job: Job, folder: Path, without: Collection[str]) -> None:
        self.axes, self._is_random, self._without = job.axes, job.kind == RANDOM, without
        self._file = folder / job.name / CONFIG
        self.named = self._keep({key_of(line): line.partition("=")[2] for line in job.overrides if "=" in line})

    @cached_property
    def recorded(self) -> dict[str, Any]:
        """The value of each key, with interpolations as they were written, and the choice of each group."""
        return self._keep({**dict(flatten(self._config)), **self.choices})

    @cached_property
    def choices(self) -> dict[str, Any]:
        """The choice of each group, e.g. of ``distillation/student``."""
        found: Any = _read_yaml(self._file.with_name("hydra.yaml"))
        for key in ("hydra", "runtime", "choices"):
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    @cached_property
    def _config(self) -> dict[str, Any]:
        return _read_yaml(self._file)

    def knows(self, key: str) -> bool:
        """Return whether the value of ``key`` is known."""
        return key in self.recorded or key in self.named

    def find(self, key: str) -> Any:
        """Return the value of a known key."""
        if key not in self.recorded:
            return parse_value(self.named[key])
        value = self.recorded[key]
        return make_plain(_resolve(self._config, key, value) if isinstance(value, str) and "${" in value else value)

    def _keep(self, values: Mapping[str, Any]) -> dict[str, Any]:
        kept = {
            key: value
            for key, value in values.items()
            if key not in self._without and _to_path(key).partition(".")[0] not in self._without
        }
        if not self._is_random:
            return kept
        kept = {key: value for key, value in kept.items() if not key.startswith(_OF_RANDOM)}
        return {**kept, "strategy": values[_NAME]} if _NAME in values else kept


def _add(job: Job, settings: _Settings, keys: Iterable[str]) -> Job:
    added = {key: settings.find(key) for key in keys if key not in job.axes and settings.knows(key)}
    return replace(job, axes={**job.axes, **added})


def _may_differ(settings: Sequence[_Settings]) -> bool:
    """Return whether some job does not name a key of another, or has another value of a key that is not yet an axis."""
    for key in {key for one in settings for key in one.named}:
        texts = {one.named.get(key) for one in settings}
        if None in texts or (len(texts) > 1 and any(key not in one.axes for one in settings)):
            return True
    return False


def _list_differing(settings: Sequence[_Settings]) -> list[str]:
    """Return the keys in which the jobs differ, without those that only follow from another choice of their group."""
    named = {key for one in settings for key in one.named}
    choices = {key for one in settings for key in one.choices}
    keys = dict.fromkeys(key for one in settings for key in (*one.named, *one.recorded) if key != _GRIDS)
    differing = [key for key in keys if _differs(key, settings, named=key in named)]
    chosen = [key for key in differing if key in choices]
    return [key for key in differing if key in named or not any(_covers(group, key) for group in chosen)]


def _differs(key: str, settings: Sequence[_Settings], *, named: bool) -> bool:
    known = [one for one in settings if one.knows(key)]
    # A key that no command names may be missing because another version of this program recorded it.
    if named and len(known) < len(settings):
        return True
    # What is written the same way in all of them need not be resolved.
    as_written = {repr(one.recorded.get(key, one.named.get(key))) for one in known}
    return len(as_written) > 1 and len({repr(one.find(key)) for one in known}) > 1


def _covers(group: str, key: str) -> bool:
    return key != group and (group == _PRESETS or _to_path(key).startswith(f"{_to_path(group)}."))


def _to_path(key: str) -> str:
    return key.replace("/", ".")


def _read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a file; an empty one if the file is missing or damaged."""
    try:
        found = yaml.load(path.read_bytes(), _LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _resolve(config: Mapping[str, Any], key: str, text: str) -> Any:
    """Return the value of ``key`` in ``config``, or its ``text`` if that refers to something that is not known here."""
    # Imported late, because it is rarely needed.
    from compression.run.recorded_config import resolve_recorded

    first, *rest = key.split(".")
    try:
        value = resolve_recorded(config, first)
        for part in rest:
            value = value[part]
    except (InputError, LookupError, TypeError):
        return text
    return value

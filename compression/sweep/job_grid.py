"""The grid of a multirun: its axes and jobs, before any job starts."""

import itertools
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from compression.config.run_name import NOT_IN_NAME
from compression.core.errors import InputError
from compression.sweep.axis_names import SHORT_NAMES, shorten_key

# Keys that belong to the sweep, not to its jobs.
OF_SWEEP = ("plan", "baselines")
# Keys that are equal in all jobs: keys that change no result, the last stage, and the preset with the grid.
_SHARED = (*NOT_IN_NAME, "until", "sweep")


def parse_grid(master: DictConfig) -> list[list[Override]]:
    """Return the overrides of each key of a multirun: one override for each value of the key.

    ``master`` is the configuration that Hydra makes of a multirun's command line. Values of the command line replace
    values of a preset.
    """
    lines = [f"{key}={value}" for key, value in (master.hydra.sweeper.params or {}).items()]
    lines += list(master.hydra.overrides.task)
    chosen: dict[str, Override] = {}
    for override in parse_lines(lines):
        if override.is_sweep_override() and not override.is_discrete_sweep():
            raise InputError(f"{override.input_line}: allowed: values with commas, choice(...), range(...), glob(...)")
        if override.is_sweep_override() and not may_vary(_key(override)):
            raise InputError(f"{override.input_line}: is no axis; must have one value")
        chosen[override.get_key_element()] = override
    return [_expand(override) for override in chosen.values()]


def _expand(override: Override) -> list[Override]:
    if not override.is_sweep_override():
        return [override]
    key = override.get_key_element()
    lines = [f"{key}={value}" for value in override.sweep_string_iterator()]
    return parse_lines(lines)


def parse_lines(lines: Sequence[str]) -> list[Override]:
    """Return lines of a command, e.g. ``sparsity=0.5``, as overrides."""
    hydra = GlobalHydra.instance()
    # glob(...) needs the loader to list the options of a group.
    loader = hydra.config_loader() if hydra.is_initialized() else None
    return OverridesParser.create(config_loader=loader).parse_overrides(list(lines))


def may_vary(key: str) -> bool:
    """Return whether ``key`` of the configuration may be an axis."""
    return re.split(r"[./]", key)[0] not in _SHARED


def list_jobs(grid: Sequence[Sequence[Override]]) -> list[tuple[Override, ...]]:
    """Return the overrides of each job, in the order of Hydra's own sweeper."""
    return list(itertools.product(*grid))


def list_axes(grid: Sequence[Sequence[Override]]) -> dict[str, list[Any]]:
    """Return the values of each key that has several values."""
    return {_key(values[0]): [_plain(value) for value in values] for values in grid if len(values) > 1}


def place(job: Sequence[Override], axes: Container[str]) -> dict[str, Any]:
    """Return the value of a job on each axis."""
    return {_key(override): _plain(override) for override in job if _key(override) in axes}


def name_job(place: Mapping[str, Any], digest: str) -> str:
    """Return the name of a job's folder, e.g. ``s50_w6_a8-3f2a1c``: its values on the axes, and its digest."""
    parts = [_name_value(key, value) for key, value in place.items()]
    return "-".join(filter(None, ("_".join(parts)[:80], digest)))


def _key(override: Override) -> str:
    return str(override.key_or_group)


def _plain(override: Override) -> Any:
    value = override.value()
    return value if isinstance(value, (bool, int, float, type(None))) else override.get_value_element_as_str()


def _name_value(key: str, value: Any) -> str:
    if key == "sparsity" and isinstance(value, (int, float)):
        return f"s{100 * value:g}"
    if key in SHORT_NAMES and isinstance(value, int):
        return f"{SHORT_NAMES[key]}{value}"
    text = str(value) if "." not in key and "/" not in key and isinstance(value, str) else f"{shorten_key(key)}{value}"
    return re.sub(r"[^\w.]+", "-", text).strip("-")

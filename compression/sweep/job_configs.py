"""Checked configurations of the jobs of a multirun, composed as Hydra will compose them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override

from compression.config import schema
from compression.config.explain import explain
from compression.config.run_name import identify
from compression.config.schema import MEASURING, Config
from compression.core.errors import InputError
from compression.sweep.job_grid import OF_SWEEP, parse_lines, place


@dataclass(frozen=True)
class Composed:
    """A job: its command ``lines``, their configuration, its place on the axes, and the hash of its settings."""

    lines: tuple[str, ...]
    config: Config
    identity: str
    axes: Mapping[str, Any]


def compose_jobs(jobs: Sequence[Sequence[Override]], axes: Mapping[str, Any]) -> list[Composed]:
    """Return all ``jobs``, given as overrides; raises InputError for a wrong job and for equal jobs."""
    composed = [_compose(job, axes) for job in jobs]
    seen: dict[str, str] = {}
    for job in composed:
        if not job.config.evaluates:
            raise InputError(
                f"until={job.config.until}: must be {' or '.join(MEASURING)}, for a sweep compares what is measured"
            )
        where = _describe(job.axes)
        if job.identity in seen:
            raise InputError(f"jobs {seen[job.identity]} and {where} are the same one; each must be given once")
        seen[job.identity] = where
    return composed


def compose_lines(lines: Sequence[str], axes: Mapping[str, Any]) -> tuple[Config, str]:
    """Return the configuration of a job's command ``lines``, and the hash that identifies it."""
    job = _compose(parse_lines(lines), axes)
    return job.config, job.identity


def _compose(job: Sequence[Override], axes: Mapping[str, Any]) -> Composed:
    where = place(job, axes)
    try:
        composed = compose("config", [str(one.input_line) for one in job], return_hydra_config=True)
        HydraConfig.instance().set_config(composed)
        lines = tuple(str(one.input_line) for one in job if one.key_or_group not in OF_SWEEP)
        return Composed(lines, schema.to_config(composed), identify(composed), where)
    except Exception as error:
        message = explain(error)
        if message is None or not axes:
            raise
        raise InputError(f"job {_describe(where)}: {message}") from error


def _describe(place: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in place.items())

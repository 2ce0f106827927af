"""Hydra's own settings in a sweep. Jobs inherit the search path of configurations, and no other setting."""

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from compression.config.compose import CONF
from compression.config.override_text import quote
from compression.core.errors import InputError
from compression.sweep.job_grid import parse_lines

SEARCH_PATH = "hydra.searchpath"
# Settings of the command that starts a sweep. Jobs do not get them.
_OF_COMMAND = ("hydra/launcher", "hydra.launcher", "hydra.sweeper", "hydra.mode")
_MAIN = "config"


def hand_on_search_path(master: DictConfig) -> list[Override]:
    """Return the override that gives jobs the search path of the command, or no override if it has none.

    The override also covers ``--config-dir``: Hydra searches both after its own sources and ``conf``. Raises InputError
    for settings of ``master`` that no job would get.
    """
    refuse_hydra_settings(master.hydra.overrides.hydra, allowed=(*_OF_COMMAND, SEARCH_PATH))
    name, sources = master.hydra.job.config_name, master.hydra.runtime.config_sources
    if name != _MAIN:
        raise InputError(f"--config-name={name}: must be {_MAIN} in a sweep, of which all jobs are made")
    if any(one.provider == "main" and Path(one.path).resolve() != CONF.resolve() for one in sources):
        raise InputError(f"--config-path: must be {CONF} in a sweep; --config-dir adds another folder to it")
    given = [one for one in sources if one.provider == "command-line" or one.provider.startswith(SEARCH_PATH)]
    places = [Path(one.path).absolute() if one.schema == "file" else one.path for one in given]
    texts = [quote(f"{one.schema}://{place}") for one, place in zip(given, places, strict=True)]
    return parse_lines([f"{SEARCH_PATH}=[{','.join(texts)}]"]) if texts else []


def refuse_hydra_settings(lines: Sequence[str], *, allowed: tuple[str, ...]) -> None:
    """Raise InputError for a setting of Hydra among ``lines`` whose key has no ``allowed`` beginning."""
    for override in parse_lines(lines):
        if override.is_hydra_override() and not str(override.key_or_group).startswith(allowed):
            raise InputError(
                f"{override.input_line}: no job would get it; allowed of Hydra's own settings: {', '.join(allowed)}"
            )

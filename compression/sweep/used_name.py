"""Refusal of a ``name`` whose folder holds something else than an earlier part of the same run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from compression.config.run_name import collect_settings
from compression.config.sweep_environment import SWEEP_RECORD
from compression.core.errors import InputError
from compression.core.file_names import CONFIG
from compression.core.flatten import flatten
from compression.core.text import shorten

# Settings by which a run goes on in its folder: its last stage, and what is recorded of it.
_GOES_ON = ("until", "analysis", "logger")
_WAY_OUT = "give another name, or overwrite=true"
# Differences that a message names.
_MOST = 3


def refuse_used_name(config: DictConfig) -> None:
    """Raise InputError if ``name`` is that of a run with other settings, or of a sweep.

    ``config`` is the configuration of a single run as Hydra composes it. With ``overwrite`` nothing is refused; nor is
    a folder that records no configuration.
    """
    folder = Path(str(config.output_dir)) / str(config.name)
    # A job of a sweep has its own folder.
    if config.name is None or config.overwrite or Path(str(config.hydra.run.dir)) != folder:
        return
    if (folder / SWEEP_RECORD).is_file():
        raise InputError(f"name={config.name}: {folder} is the folder of a sweep; {_WAY_OUT}")
    earlier = _read(folder)
    if earlier is None:
        return
    differences = _compare(earlier, collect_settings(config))
    if differences:
        named = shorten(differences, limit=_MOST, separator="; ")
        raise InputError(f"name={config.name}: {folder} holds a run with other settings ({named}); {_WAY_OUT}")


def refuse_run_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise InputError if the ``folder`` of a sweep is that of a single run."""
    if not overwrite and (folder / CONFIG).is_file() and not (folder / SWEEP_RECORD).is_file():
        raise InputError(f"name={folder.name}: {folder} is the folder of a single run; {_WAY_OUT}")


def _read(folder: Path) -> dict[str, Any] | None:
    try:
        loaded = OmegaConf.load(folder / CONFIG)
        return collect_settings(loaded) if isinstance(loaded, DictConfig) else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (YAMLError, OmegaConfBaseException, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{folder / CONFIG} cannot be read ({type(error).__name__}); {_WAY_OUT}") from error


def _compare(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    before, after = (dict(flatten(settings)) for settings in (earlier, now))
    keys = [key for key in dict.fromkeys([*after, *before]) if key.split(".")[0] not in _GOES_ON]
    return [
        f"{key} was {_show(before, key)}, now {_show(after, key)}" for key in keys if before.get(key) != after.get(key)
    ]


def _show(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key)
    return "null" if value is None else f"{value!s:.40}"

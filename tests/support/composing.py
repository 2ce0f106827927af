"""Compose configurations in tests: as Hydra does each time, or each choice of groups once."""

from copy import deepcopy
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


def compose_anew(*overrides: str) -> DictConfig:
    """Compose as the command line does, Hydra's own node included."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides), return_hydra_config=True)


@cache
def _compose_groups(overrides: tuple[str, ...]) -> DictConfig:
    return compose_anew(*overrides)


def _is_of_a_group(override: str) -> bool:
    key = override.partition("=")[0].lstrip("+~")
    return "/" in key or (CONF / key).is_dir()


def compose_quickly(*overrides: str) -> DictConfig:
    """Compose each choice of groups once, and set values in a copy, in the order in which Hydra does."""
    groups = tuple(override for override in overrides if _is_of_a_group(override))
    values = OverridesParser.create().parse_overrides([one for one in overrides if not _is_of_a_group(one)])
    config = deepcopy(_compose_groups(groups))
    try:
        for override in values:
            if override.is_sweep_override() or override.is_delete():
                return compose_anew(*overrides)
            OmegaConf.update(config, override.key_or_group, override.value(), force_add=override.is_add())
    except OmegaConfBaseException:
        # What is told of a key or value is Hydra's own.
        return compose_anew(*overrides)
    return config

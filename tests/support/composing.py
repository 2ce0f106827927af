"""Composition of configurations in tests: by Hydra each time, or quickly with a cache for each choice of groups."""

from copy import deepcopy
from functools import cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"


def compose_fully(*overrides: str) -> DictConfig:
    """Return the configuration as the command line composes it, including the node ``hydra``."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", list(overrides), return_hydra_config=True)


@cache
def _compose_groups(overrides: tuple[str, ...]) -> DictConfig:
    return compose_fully(*overrides)


def _is_of_a_group(override: str) -> bool:
    key = override.partition("=")[0].lstrip("+~")
    return "/" in key or (CONF / key).is_dir()


def compose_quickly(*overrides: str) -> DictConfig:
    """Return the configuration. Each choice of groups is composed once; values are set in a copy, in Hydra's order."""
    groups = tuple(override for override in overrides if _is_of_a_group(override))
    values = OverridesParser.create().parse_overrides([one for one in overrides if not _is_of_a_group(one)])
    config = deepcopy(_compose_groups(groups))
    try:
        for override in values:
            if override.is_sweep_override() or override.is_delete():
                return compose_fully(*overrides)
            OmegaConf.update(config, override.key_or_group, override.value(), force_add=override.is_add())
    except OmegaConfBaseException:
        # Hydra itself raises the error, so its message is the one that users see.
        return compose_fully(*overrides)
    return config

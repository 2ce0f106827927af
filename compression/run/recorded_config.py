"""The configuration that a run has left in its folder, with its interpolations resolved."""

from collections.abc import Mapping
from typing import Any

from omegaconf import Container, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from compression.core.errors import InputError, first_line


def resolve_recorded(config: Mapping[str, Any], key: str) -> Any:
    """Return the value of ``key`` in ``config``, with interpolations such as ``${oc.env:HOME}`` resolved.

    No code of the configuration runs: interpolations read other keys and variables of the environment. Raises
    InputError for one that cannot be resolved, such as a variable that is not set, and KeyError for a missing key.
    """
    if key not in config:
        raise KeyError(key)
    try:
        value = OmegaConf.create(dict(config))[key]
        return OmegaConf.to_container(value, resolve=True) if isinstance(value, Container) else value
    except OmegaConfBaseException as error:
        # OmegaConf puts the error of an interpolation in quotes, after words about itself.
        why = first_line(error).rpartition("interpolation: ")[2].strip('"')
        raise InputError(f"{error.full_key or key} cannot be resolved: {why}") from error

"""The composition of configurations by Hydra, for train.py and other commands."""

from collections.abc import Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import compression
from compression.config import choice_list, run_name, schema, sweep_name
from compression.config.explain import explain
from compression.config.schema import Config
from compression.core.errors import InputError

# In a checkout the folder is next to the package.
CONF = Path(compression.__file__).parents[1] / "conf"


def register() -> None:
    """Make the schema and the resolvers of ``conf`` known to Hydra."""
    for module in (schema, run_name, sweep_name, choice_list):
        module.register()


def compose_run(overrides: Sequence[str]) -> tuple[Config, Path]:
    """Return the checked configuration of ``key=value`` overrides, and the folder of such a run.

    Raises ``InputError`` with the message of train.py.
    """
    config, composed = _compose(overrides)
    return config, Path(str(composed.hydra.run.dir))


def compose_job(overrides: Sequence[str]) -> tuple[Config, str]:
    """Return the checked configuration of ``key=value`` overrides, and the hash that identifies it.

    Raises ``InputError`` with the message of train.py.
    """
    config, composed = _compose(overrides)
    return config, run_name.identify(composed)


def _compose(overrides: Sequence[str]) -> tuple[Config, DictConfig]:
    if not CONF.is_dir():
        raise InputError(f"no configuration at {CONF}: install the package from a checkout, pip install -e .")
    register()
    try:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            composed = compose("config", list(overrides), return_hydra_config=True)
            HydraConfig.instance().set_config(composed)
            return schema.to_config(composed), composed
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        raise InputError(message) from error
    finally:
        GlobalHydra.instance().clear()

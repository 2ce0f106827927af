from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from compression.config import run_name, schema, sweep_name

CONF = Path(__file__).parents[2] / "conf"


@pytest.fixture
def compose_config():
    """Composes as the command line does: ``compose_config("sparsity=0.5")``, Hydra's own node included."""
    schema.register()
    run_name.register()
    sweep_name.register()

    def run(*overrides):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            return compose("config", list(overrides), return_hydra_config=True)

    return run


@pytest.fixture
def load(compose_config):
    """Returns the checked configuration of a command line."""

    def run(*overrides):
        return schema.to_config(compose_config(*overrides))

    return run

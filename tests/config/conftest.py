import pytest
from composing import compose_quickly

from compression.config import run_name, schema, sweep_name


@pytest.fixture(scope="session", autouse=True)
def resolvers():
    schema.register()
    run_name.register()
    sweep_name.register()


@pytest.fixture
def compose_config():
    """Composes as the command line does: ``compose_config("sparsity=0.5")``, Hydra's own node included."""
    return compose_quickly


@pytest.fixture
def load():
    """Returns the checked configuration of a command line."""

    def run(*overrides):
        return schema.to_config(compose_quickly(*overrides))

    return run

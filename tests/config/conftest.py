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
    """A function that composes overrides as the command line does, including the node ``hydra``."""
    return compose_quickly


@pytest.fixture
def load():
    """A function that returns the checked configuration of overrides."""

    def run(*overrides):
        return schema.to_config(compose_quickly(*overrides))

    return run

"""Checks of a run before training, for any command line."""

from pathlib import Path

import pytest
from hydra.errors import HydraException
from runs import WIDE, compose_config

from compression.config.explain import explain
from compression.run.checks.check_run import check_run
from compression.run.context import make_context


def check_command(tmp_path: Path, *overrides: str) -> None:
    """Run all checks of a command on a wide tiny network, or on the model that the command names."""
    own_model = any(override.startswith("model=") for override in overrides)
    base = ("threads=1",) if own_model else WIDE
    config = compose_config(*base, f"output_dir={tmp_path}", *overrides)
    check_run(make_context(config, tmp_path / "run"))


def refusal(tmp_path: Path, *overrides: str) -> str:
    """Return the one line of the error that refuses a command; assert that no store was created."""
    with pytest.raises((HydraException, ValueError)) as caught:
        check_command(tmp_path, *overrides)
    assert not (tmp_path / "store").exists()
    message = explain(caught.value)
    assert "\n" not in message
    return message

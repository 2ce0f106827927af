"""Composition of configurations for commands other than train.py."""

from pathlib import Path

import pytest
from composing import compose_fully
from hydra.core.global_hydra import GlobalHydra

from compression.config import compose as module
from compression.config.compose import compose_job, compose_run
from compression.config.run_name import digest, identify, run_name
from compression.config.schema import to_config
from compression.core.errors import InputError


def test_runs_and_jobs_equal_those_of_train_py():
    overrides = ["sparsity=0.5", "seed=3", "output_dir=results"]
    composed = compose_fully(*overrides)
    config, run_dir = compose_run(overrides)
    assert config == to_config(composed)
    assert run_dir == Path("results") / run_name(_root_=composed)
    job, found = compose_job([*overrides, "name=mine"])
    assert (job.name, job.seed) == ("mine", 3)
    assert found == identify(composed)
    assert found.startswith(digest(composed))


@pytest.mark.parametrize(
    ("compose", "override", "message"),
    [
        (compose_run, "sparsity=1.0", "sparsity=1.0: must be in [0, 1), e.g. 0.9"),
        (compose_job, "training.epochs=many", "training.epochs=many: must be an integer"),
        (compose_run, "model=timm", "model.name is not set: give model.name=VALUE"),
    ],
)
def test_errors_are_those_of_train_py_and_hydra_is_reset(compose, override, message):
    with pytest.raises(InputError) as caught:
        compose([override])
    assert str(caught.value) == message
    assert not GlobalHydra.instance().is_initialized()


def test_defects_pass_through_and_hydra_is_reset(monkeypatch):
    def fail(_):
        raise ZeroDivisionError

    monkeypatch.setattr(module.schema, "to_config", fail)
    with pytest.raises(ZeroDivisionError):
        compose_job(["name=mine"])
    assert not GlobalHydra.instance().is_initialized()


def test_a_package_without_its_configuration_is_a_one_line_error(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "CONF", tmp_path / "conf")
    with pytest.raises(InputError, match=r"no configuration at .*conf: install the package from a checkout"):
        compose_run([])

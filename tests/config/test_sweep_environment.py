"""The environment variables that processes of a sweep pass on to their children."""

from dataclasses import replace
from pathlib import Path

import pytest

from compression.config.sweep_environment import INVOCATION, SweepEnvironment, name_invocation

FULL = SweepEnvironment(
    sweep_file=Path("/out/mine/sweep.json"),
    invocation="one command",
    parent=17,
    gpus=("0", "MIG-GPU-1a/3/0"),
    baseline_workers=2,
    joined=Path("/out/store/dense-1a.partial"),
)


def test_variables_are_written_as_text_or_removed():
    variables = {"HOME": "somewhere"}
    FULL.write(variables)
    assert variables == {
        "HOME": "somewhere",
        "COMPRESSION_SWEEP": "/out/mine/sweep.json",
        "COMPRESSION_INVOCATION": "one command",
        "COMPRESSION_PARENT": "17",
        "COMPRESSION_GPUS": "0,MIG-GPU-1a/3/0",
        "COMPRESSION_BASELINES": "2",
        "COMPRESSION_JOINED": "/out/store/dense-1a.partial",
    }
    SweepEnvironment().write(variables)
    assert variables == {"HOME": "somewhere"}


@pytest.mark.parametrize("environment", [FULL, SweepEnvironment(), SweepEnvironment(gpus=())])
def test_variables_are_read_back_unchanged(environment):
    variables = {}
    environment.write(variables)
    assert SweepEnvironment.read(variables) == environment


def test_the_folder_of_the_sweep():
    assert FULL.sweep_folder == Path("/out/mine")
    assert SweepEnvironment().sweep_folder is None


def test_an_invocation_keeps_its_identifier(monkeypatch):
    monkeypatch.setenv(INVOCATION, "")
    monkeypatch.delenv(INVOCATION)
    name_invocation()
    first = SweepEnvironment.read().invocation
    name_invocation()
    assert first
    assert SweepEnvironment.read() == replace(SweepEnvironment.read(), invocation=first)

"""What the processes of a sweep hand on to each other by environment variables."""

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


def test_the_names_and_texts_of_the_variables():
    variables = {"HOME": "/home/me"}
    FULL.write(variables)
    assert variables == {
        "HOME": "/home/me",
        "COMPRESSION_SWEEP": "/out/mine/sweep.json",
        "COMPRESSION_INVOCATION": "one command",
        "COMPRESSION_PARENT": "17",
        "COMPRESSION_GPUS": "0,MIG-GPU-1a/3/0",
        "COMPRESSION_BASELINES": "2",
        "COMPRESSION_JOINED": "/out/store/dense-1a.partial",
    }
    SweepEnvironment().write(variables)
    assert variables == {"HOME": "/home/me"}


@pytest.mark.parametrize("environment", [FULL, SweepEnvironment(), SweepEnvironment(gpus=())])
def test_what_is_written_is_read(environment):
    variables = {}
    environment.write(variables)
    assert SweepEnvironment.read(variables) == environment


def test_the_folder_of_the_sweep():
    assert FULL.sweep_folder == Path("/out/mine")
    assert SweepEnvironment().sweep_folder is None


def test_a_command_gets_one_name_and_its_children_keep_it(monkeypatch):
    monkeypatch.setenv(INVOCATION, "")
    monkeypatch.delenv(INVOCATION)
    name_invocation()
    first = SweepEnvironment.read().invocation
    name_invocation()
    assert first
    assert SweepEnvironment.read() == replace(SweepEnvironment.read(), invocation=first)

"""Runs of the pipeline on a network that trains in seconds: in this process, or by the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from composing import ROOT, compose_quickly
from machine import THREADS
from warm import WarmTrain

from compression.config import run_name, schema, sweep_name

TINY = (
    "model=custom",
    "model._target_=tiny_net.TinyNet",
    "training.epochs=3",
    "strategy.recovery.min_updates=0",
    "runtime.repeats=2",
    "runtime.warmup=0",
    "runtime.peak_memory=false",
    f"threads={THREADS}",
)
# Wide enough to remove channels in multiples of 8.
WIDE = (*TINY, "+model.width=32")
# The keys of metrics.json that differ between two runs of one command.
VARYING = ("timing", "provenance")


def run_here(*overrides: str, run_dir: Path, output_dir: Path) -> float:
    """Run the pipeline in this process and return its objective."""
    from compression.run.pipeline import run

    return run(compose_config(*overrides, f"output_dir={output_dir}"), run_dir=run_dir)


def compose_config(*overrides: str) -> schema.Config:
    """Return the checked configuration of a command line."""
    schema.register()
    run_name.register()
    sweep_name.register()
    return schema.to_config(compose_quickly(*overrides))


def start_train(*overrides: str, **settings: Any) -> subprocess.Popen[str]:
    """Start ``python train.py`` with ``overrides`` and return the process; its output is text."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *overrides],
        env=_environment(settings.pop("env", {})),
        stdout=settings.pop("stdout", subprocess.PIPE),
        stderr=subprocess.STDOUT,
        text=True,
        **settings,
    )


def start_warm(*overrides: str, fork_jobs: bool = False, **settings: Any) -> "subprocess.Popen[str] | WarmTrain":
    """Start ``train.py`` as a fork of a process that has imported everything, and return it.

    With ``fork_jobs``, the jobs of a sweep are forks, too.
    """
    if sys.platform != "linux":
        # The system libraries of macOS do not survive a fork.
        return start_train(*overrides, **settings)
    # A sweep runs the networks once in its checks. With several threads, the thread pool would not survive the fork.
    fork_jobs = fork_jobs and THREADS == 1
    return WarmTrain(overrides, env=_environment(settings.pop("env", {})), fork_jobs=fork_jobs, **settings)


def _environment(wanted: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **wanted}


def train(*overrides: str, fresh: bool = False, timeout: float = 300, **settings: Any) -> tuple[int, str]:
    """Run ``python train.py`` to its end and return exit code and output; with ``fresh``, in a new process."""
    process = (start_train if fresh else start_warm)(*overrides, **settings)
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode is not None
    return process.returncode, output


def lasting(metrics_json: Path) -> dict[str, Any]:
    """Return the values of a ``metrics.json`` that must be the same for every run of one command."""
    document = json.loads(metrics_json.read_text())
    return {key: value for key, value in document.items() if key not in VARYING}

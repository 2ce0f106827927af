"""Run the pipeline as a user does, on a network that takes seconds."""

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
from compression.reporting.metrics import VARYING

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
# Wide enough to lose channels in eights.
WIDE = (*TINY, "+model.width=32")


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
    """Start ``python train.py`` with ``overrides`` and return the process, its output readable as text."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *overrides],
        env=_environment(settings.pop("env", {})),
        stdout=settings.pop("stdout", subprocess.PIPE),
        stderr=subprocess.STDOUT,
        text=True,
        **settings,
    )


def start_warm(*overrides: str, fork_jobs: bool = False, **settings: Any) -> "subprocess.Popen[str] | WarmTrain":
    """As ``start_train``, forked from a process that has imported all; with ``fork_jobs`` a sweep's jobs are, too."""
    if sys.platform != "linux":
        # A Mac's own libraries do not survive a fork.
        return start_train(*overrides, **settings)
    # A sweep runs its jobs' networks once before they begin: a pool of threads does not survive the fork after that.
    fork_jobs = fork_jobs and THREADS == 1
    return WarmTrain(overrides, env=_environment(settings.pop("env", {})), fork_jobs=fork_jobs, **settings)


def _environment(wanted: Mapping[str, str]) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "tests" / "support"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, **wanted}


def train(*overrides: str, fresh: bool = False, timeout: float = 300, **settings: Any) -> tuple[int, str]:
    """Run ``python train.py`` with ``overrides`` to its end, by default warm; return exit code and output."""
    process = (start_train if fresh else start_warm)(*overrides, **settings)
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode is not None
    return process.returncode, output


def lasting(metrics_json: Path) -> dict[str, Any]:
    """Return what of a ``metrics.json`` must be the same for every run of one command."""
    document = json.loads(metrics_json.read_text())
    return {key: value for key, value in document.items() if key not in VARYING}

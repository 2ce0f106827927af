import signal

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from runs import ROOT, TINY
from sweep_folders import Folder, make_metrics

from compression.config import run_name, schema, sweep_name
from compression.config.sweep_environment import BASELINES, GPUS, INVOCATION, PARENT, SWEEP_FILE
from compression.sweep import execute as run
from compression.sweep.jobs import Job, Sweep
from compression.sweep.prepare import begin
from compression.sweep.presence import open_sweep
from compression.sweep.report import sweep_report as report


@pytest.fixture
def folder(tmp_path):
    """A sweep of two axes, without jobs."""
    return Folder(tmp_path / "sweep", {"sparsity": [0.5, 0.9], "weight_bits": [6, 8]})


@pytest.fixture
def metrics():
    """A function that returns a new ``metrics.json`` document of a job."""
    return make_metrics


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Environment variables and signal handlers that are restored after a test."""
    for name in (SWEEP_FILE, GPUS, BASELINES, INVOCATION, PARENT):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(run, "_no_room", [])
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def without_pictures(monkeypatch):
    """Reports without pictures and page, which take longer than everything else."""
    monkeypatch.setattr(report, "draw_sweep", lambda *_, **__: {})
    monkeypatch.setattr(report, "write_html", lambda *_: None)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """A function that starts a sweep called ``mine`` of the tiny network, each time as a separate command."""

    def start_sweep(*overrides):
        monkeypatch.delenv(SWEEP_FILE, raising=False)
        schema.register(), run_name.register(), sweep_name.register()
        lines = [*TINY, "strategy=oneshot_l1", f"output_dir={tmp_path}", "name=mine", *overrides]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            return begin(loader.load_configuration("config", lines, run_mode=RunMode.MULTIRUN))

    return start_sweep


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """A started sweep of two jobs and a kept one."""
    jobs = (Job("a-1", (), {"x": 1}), Job("b-2", (), {"x": 2}), Job("c-3", (), {"x": 3}, kept=True))
    sweep = Sweep(tmp_path, ("train.py",), {"x": [1, 2, 3]}, jobs)
    open_sweep(tmp_path)
    sweep.write()
    monkeypatch.setenv(SWEEP_FILE, str(tmp_path / "sweep.json"))
    monkeypatch.setenv(INVOCATION, "this one")
    return sweep

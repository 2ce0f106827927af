"""The dry run of ``experiments/training_throughput/gpu.py`` on the CPU: its checks, its rows, and its second call."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from composing import ROOT

FOLDER = ROOT / "experiments" / "training_throughput"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script as a module, with the files beside it importable."""
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("gpu")


def results(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "results.json").read_text())
    return document


def test_a_dry_run_measures_rows_and_a_second_call_measures_none_again(
    gpu: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--out", str(tmp_path), "--device", "cpu", "--tiny", "--only", "measures", "--models", "resnet18"]
    assert gpu.main(command) == 0
    first = (tmp_path / "results.json").read_bytes()
    rows = results(tmp_path)["rows"].values()
    assert {row["kind"] for row in rows} >= {"plain", "ours", "bare, bf16, channels_last"}
    assert all(row["images_per_second"] > 0 for row in rows)
    assert "resnet18, ours over plain" in capsys.readouterr().out
    assert gpu.main(command) == 0
    assert (tmp_path / "results.json").read_bytes() == first


def test_no_row_starts_after_the_time_is_over(gpu: ModuleType, tmp_path: Path) -> None:
    command = ["--out", str(tmp_path), "--device", "cpu", "--tiny", "--minutes", "0"]
    assert gpu.main(command) == 0
    assert not (tmp_path / "results.json").exists()


def test_results_of_another_device_are_refused(
    gpu: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results.json").write_text(json.dumps({"about": {"device": "cuda"}}))
    assert gpu.main(["--out", str(tmp_path), "--device", "cpu", "--tiny"]) == 2
    assert "holds results of {'device': 'cuda'}" in capsys.readouterr().err


def test_a_failed_command_leaves_its_error_line(gpu: ModuleType, tmp_path: Path) -> None:
    checks = sys.modules[gpu.run_check.__module__]
    place = checks.Place(tmp_path, "cpu", tiny=True, limit=120)
    checks.CHECKS["wrong"] = checks._one_run("strategy=none", "training.epochs=0")
    try:
        found = checks.run_check(place, "wrong")
    finally:
        del checks.CHECKS["wrong"]
    assert found["outcome"] == "failed"
    assert found["error"] == "exit code 1: error: training.epochs=0: must be an integer >= 1"


@pytest.mark.slow
def test_every_check_of_a_dry_run_is_ok_and_none_runs_again(tmp_path: Path) -> None:
    command = [sys.executable, str(FOLDER / "gpu.py"), "--out", str(tmp_path), "--device", "cpu", "--tiny"]
    command += ["--minutes", "60", "--limit", "600", "--only", "checks"]
    for _ in range(2):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        checks = results(tmp_path)["checks"]
        assert list(checks) == ["training", "pruning", "int8", "sweep", "resume", "channels", "distilled_qat"]
        assert {check["outcome"] for check in checks.values()} == {"ok"}
        first = checks
    assert results(tmp_path)["checks"] == first
    assert "bit for bit" in checks["resume"]["detail"]

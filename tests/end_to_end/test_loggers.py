"""Loggers of a run that is killed in a training: the repeated command continues the same curves."""

import csv
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import TINY, start_warm, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

COMMAND = (*TINY, "training.epochs=8", "strategy=none", "until=dense", "name=run")
QUIET = {
    "WANDB_MODE": "offline",
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
Curve = list[tuple[int, float]]


def read_csv(outputs: Path) -> Curve:
    with (outputs / "run" / "csv" / "dense" / "metrics.csv").open(newline="") as stream:
        return [(int(row["step"]), float(row["lr"])) for row in csv.DictReader(stream) if row["lr"]]


def read_tensorboard(outputs: Path) -> Curve:
    board = EventAccumulator(str(outputs / "run" / "tensorboard" / "dense")).Reload()
    return [(point.step, point.value) for point in board.Scalars("lr")]


def read_wandb(outputs: Path) -> Curve:
    from wandb_files import read_runs

    [run] = read_runs(outputs / "run")
    return run.curve("dense/lr")


def read_mlflow(outputs: Path) -> Curve:
    from mlflow import MlflowClient

    client = MlflowClient(f"file:{outputs / 'mlruns'}")
    experiments = [one.experiment_id for one in client.search_experiments()]
    [run] = client.search_runs(experiments)
    assert run.info.status == "FINISHED"
    return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, "dense/lr")]


READERS: dict[str, Callable[[Path], Curve]] = {
    "csv": read_csv,
    "tensorboard": read_tensorboard,
    "wandb": read_wandb,
    "mlflow": read_mlflow,
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", READERS)
def test_a_killed_run_continues_its_curves(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind in ("wandb", "mlflow"):
        pytest.importorskip(kind, reason=f"comes with the extra {kind}")
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    # A process starts W&B's service by itself. In one that other tests have started, the killed run would stay open.
    monkeypatch.delenv("WANDB_SERVICE", raising=False)
    command = (*COMMAND, f"logger={kind}", f"output_dir={tmp_path}")
    process = start_warm(*command, env=QUIET)
    while not any((tmp_path / "store").glob("dense-*.partial/resume/last.ckpt")):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, output = train(*command, env=QUIET)
    assert code == 0, output
    curve = READERS[kind](tmp_path)
    updates = [step for step, _ in curve]
    assert len(curve) == 8
    assert updates == sorted(set(updates))
    assert [step // updates[0] for step in updates] == list(range(1, 9))

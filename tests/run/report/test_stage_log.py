"""Curves of a stage that was found finished: complete in the run's folder, and logged once."""

import csv
from types import SimpleNamespace

import pytest
from runs import TINY, compose_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from compression.run.job_log.make_log import make_log
from compression.run.report.stage_log import replay_history
from compression.stage_store.store import StageKey, StageRecord

ROWS = [{"epoch": epoch, "update": 10 * epoch, "lr": 0.1, "val/accuracy": epoch / 4} for epoch in (1, 2, 3)]
RECORD = StageRecord(
    StageKey("prune", 1, {}),
    None,
    {"history": ROWS, "sparsity_steps": [[5, {"sparsity": 0.5}]]},
    1.0,
    reused=True,
    made_with={},
)


def tensorboard_curve(folder, name):
    read = EventAccumulator(str(folder / "tensorboard" / "prune")).Reload()
    return [(one.step, one.value) for one in read.Scalars(name)]


def csv_curve(folder, name):
    with (folder / "csv" / "prune" / "metrics.csv").open() as stream:
        return [(int(row["step"]), float(row[name])) for row in csv.DictReader(stream) if row[name]]


@pytest.fixture(params=["tensorboard", "csv"])
def logged(request, tmp_path):
    """The context of a run with a configured logger, and a function that reads a curve from its folder."""
    config = compose_config(*TINY, f"logger={request.param}")
    curve = {"tensorboard": tensorboard_curve, "csv": csv_curve}[request.param]
    context = SimpleNamespace(config=config, run_dir=tmp_path, log=make_log(config, tmp_path))
    return context, lambda name: curve(tmp_path, name)


def log(context, rows):
    logger = context.log.open("prune")
    for row in rows:
        logger.log_metrics({"val/accuracy": row["val/accuracy"]}, step=row["update"])
    logger.finalize("success")


WHOLE = [(10, 0.25), (20, 0.5), (30, 0.75)]


@pytest.mark.parametrize("before", [0, 2], ids=["nothing", "truncated"])
def test_incomplete_curves_are_replayed_once(logged, before):
    context, curve = logged
    if before:
        log(context, ROWS[:before])
    for _ in range(2):
        replay_history(context, RECORD)
        assert curve("val/accuracy") == WHOLE
        assert curve("sparsity") == [(5, 0.5)]


def test_complete_curves_are_left_alone(logged):
    context, curve = logged
    log(context, [{"update": 15, "val/accuracy": 0.125}, {"update": 30, "val/accuracy": 0.75}])
    replay_history(context, RECORD)
    assert curve("val/accuracy") == [(15, 0.125), (30, 0.75)]


def test_a_truncated_log_file_is_replayed(logged):
    context, curve = logged
    log(context, ROWS)
    [file] = [*context.run_dir.glob("*/prune/events*"), *context.run_dir.glob("*/prune/metrics.csv")]
    data = file.read_bytes()
    # The cut is within the last point.
    file.write_bytes(data[:-12] if file.suffix == ".csv" else data[:-6])
    replay_history(context, RECORD)
    assert curve("val/accuracy") == WHOLE


def test_a_stage_without_a_history_logs_nothing(logged):
    context, _ = logged
    replay_history(context, StageRecord(RECORD.key, None, {}, 1.0, reused=True, made_with={}))
    assert not list(context.run_dir.iterdir())

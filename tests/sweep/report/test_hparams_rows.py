"""Rows of TensorBoard's HParams table against the sweep's table, without training."""

import json

import pytest
from runs import TINY, compose_config
from sweep_folders import make_metrics
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from compression.reporting.hparams import make_row
from compression.run.job_log.job_log import Result
from compression.run.job_log.make_log import make_log
from compression.sweep.report.sweep_report import aggregate

OWN = make_metrics(val=0.97, accuracy=0.96, dense_bytes=2**21, dense_val=0.975, dense=0.97, milliseconds=0.25)


def log_job(folder, name, metrics):
    """Write the row that the job's process would write."""
    make_log(compose_config(*TINY, "sparsity=0.5"), folder.path / name).write_row(Result(make_row(metrics)))


def read_row(folder, name):
    # A replaced row leaves an empty file behind.
    files = (folder.path / name / "tensorboard" / "result").glob("*tfevents*")
    [file] = [file for file in files if file.stat().st_size]
    board = EventAccumulator(str(file)).Reload()
    assert board.PluginTagToContent("hparams").keys() == {"_hparams_/session_start_info", "_hparams_/session_end_info"}
    return {tag: board.Scalars(tag)[-1].value for tag in board.Tags()["scalars"]}, file


def read_table(folder):
    document = json.loads((folder.path / "results.json").read_text())
    left_out = {"seed", *(key for key in document["columns"] if key.startswith("axis."))}
    return {
        row["job"]: {key: one for key, one in row.items() if isinstance(one, int | float) and key not in left_out}
        for row in document["jobs"]
    }


@pytest.mark.usefixtures("without_pictures")
def test_a_small_dense_job_is_compared_with_the_dense_model_of_the_grid(folder, metrics):
    folder.add("grid", {"sparsity": 0.5}, metrics=metrics(dense=0.99))
    folder.add("narrow", {"matches": "grid"}, kind="small_dense", metrics=OWN)
    log_job(folder, "narrow", OWN)
    before, first = read_row(folder, "narrow")
    assert before["drop_points"] == pytest.approx(1)
    aggregate(folder.path)
    row, second = read_row(folder, "narrow")
    assert row == pytest.approx(read_table(folder)["narrow"], rel=1e-6)
    assert row["drop_points"] == pytest.approx(3)
    assert row["compression_ratio"] == 4 * before["compression_ratio"]
    assert "speedup_p10" in before
    assert "speedup_p10" not in row
    assert second.name > first.name
    aggregate(folder.path)
    assert read_row(folder, "narrow") == (row, second)


@pytest.mark.usefixtures("without_pictures")
def test_every_number_of_the_table_is_a_metric(folder, metrics):
    documents = {"a": metrics(sparsity=0.5), "b": metrics(sparsity=0.9)}
    for name, document in documents.items():
        folder.add(name, {"sparsity": document["compressed"]["sparsity"]}, metrics=document)
        log_job(folder, name, document)
    own, _ = read_row(folder, "a")
    aggregate(folder.path)
    table = read_table(folder)
    assert set(table["a"]) > {"val_drop_points", "dense_val_accuracy", "epochs", "dense_epochs", "latency_p90_ms"}
    assert {name: read_row(folder, name)[0] for name in documents} == {
        name: pytest.approx(row, rel=1e-6) for name, row in table.items()
    }
    # A job knows every number except its wall time, so it writes all the names.
    assert own | {"seconds": 12.5} == pytest.approx(table["a"], rel=1e-6)


@pytest.mark.usefixtures("without_pictures")
def test_single_runs_and_jobs_without_a_log_are_left_alone(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics())
    folder.add("empty", {"sparsity": 0.7}, metrics=metrics())
    (folder.path / "empty" / "tensorboard" / "result").mkdir(parents=True)
    aggregate(folder.path)
    assert not list(folder.path.rglob("*tfevents*"))
    (folder.path / "sweep.json").unlink()
    log_job(folder, "a", OWN)
    alone = read_row(folder, "a")
    aggregate(folder.path)
    assert read_row(folder, "a") == alone

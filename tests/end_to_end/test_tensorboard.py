"""TensorBoard on the output folder: the curves of every job, and its row with the numbers of the results table."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
from board import board
from finished_sweep import SMALL
from runs import compose_config, run_here

from compression.reporting.hparams import make_row
from compression.run.job_log.folder_logs import TensorBoardLog
from compression.run.job_log.job_log import Result
from compression.run.job_log.make_log import make_log, make_logged_run
from compression.sweep.jobs import Job, read_sweep
from compression.sweep.report.sweep_report import aggregate

WANTED = {
    *("val_accuracy", "accuracy", "dense_val_accuracy", "dense_accuracy", "val_drop_points", "drop_points", "sparsity"),
    *("bytes", "dense_bytes", "compression_ratio", "onnx_bytes", "gzip_bytes", "parameters", "macs", "macs_ratio"),
    *("latency_ms", "latency_p10_ms", "latency_p90_ms", "load_ms", "epochs", "dense_epochs", "test_images", "seconds"),
}
# Numbers of a job that are settings and not metrics.
ASKED = {"seed", "axis.sparsity", "axis.weight_bits", "axis.width_mult"}


@pytest.fixture(scope="module")
def outputs(finished_sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a sweep, and of a single run that was started twice."""
    path = shutil.copytree(finished_sweep, tmp_path_factory.mktemp("tensorboard") / "outputs")
    for _ in range(2):
        run_here(*SMALL, "strategy=none", run_dir=path / "alone", output_dir=path)
    add_small_dense(path / "sweep", like=path / "alone")
    return path


def add_small_dense(folder: Path, *, like: Path) -> None:
    """Add a finished job of a narrow network to ``folder``. Its own dense model is worse and smaller."""
    metrics = json.loads((like / "metrics.json").read_text())
    metrics["dense"]["accuracy"] /= 2
    metrics["dense"]["bytes"]["safetensors"] //= 8
    sweep = read_sweep(folder)
    job = Job("narrow-d1d1d1", (), {"width_mult": 0.5, "matches": sweep.jobs[0].name}, kind="small_dense")
    replace(sweep, jobs=(*sweep.jobs, job)).write()
    shutil.copytree(like, folder / job.name)
    (folder / job.name / "metrics.json").write_text(json.dumps(metrics))
    config = compose_config(*SMALL)
    make_log(config, folder / job.name).write_row(Result(make_row(metrics)))
    aggregate(folder)


def read_table(folder: Path) -> dict[str, dict[str, float]]:
    """Return the measured numbers of each job, by the name of its row in TensorBoard."""
    jobs = json.loads((folder / "results.json").read_text())["jobs"]
    return {
        f"{folder.name}/{job['job']}/tensorboard/result": {
            key: value for key, value in job.items() if isinstance(value, (int, float)) and key not in ASKED
        }
        for job in jobs
    }


def test_every_job_has_one_row_with_all_numbers_and_its_curves(outputs: Path) -> None:
    folders = {path.parent.name: path.parent for path in outputs.glob("**/metrics.json")}
    assert len(folders) == 6
    with board(outputs, num_rows=6) as started:
        tags, columns, rows = started.scalar_tags(), started.experiment(), started.rows()
    names = {f"{path.relative_to(outputs)}/tensorboard/result": path for path in folders.values()}
    assert set(rows) == set(names)
    alone = make_row(json.loads((outputs / "alone" / "metrics.json").read_text()))
    table = {**read_table(outputs / "sweep"), "alone/tensorboard/result": alone}
    for name, folder in names.items():
        asked, metrics = rows[name]
        assert set(table[name]) >= WANTED
        assert metrics == pytest.approx(table[name], rel=1e-6)
        assert asked["seed"] == 42
        assert "training.epochs" in asked
        assert tags[f"{name.removesuffix('result')}dense"].count("val/accuracy") == 1
        pruned = folder.parent.name == "sweep" and not folder.name.startswith("narrow")
        assert ("sparsity" in tags.get(f"{name.removesuffix('result')}prune", [])) == pruned
    # The job is compared with the sweep's dense model, so it has the drop and the dense bytes of the single run.
    narrow = next(metrics for name, (_, metrics) in rows.items() if "narrow" in name)
    assert {key: narrow[key] for key in ("drop_points", "dense_bytes")} == pytest.approx(
        {key: alone[key] for key in ("drop_points", "dense_bytes")}
    )
    own = compose_config(*SMALL).target_sparsity
    assert {asked["sparsity"] for asked, _ in rows.values()} == {0.0, 0.5, 0.7, own}
    differing = {one["name"] for one in columns["hparamInfos"] if one.get("differs")}
    assert {"sparsity", "strategy.name"} <= differing
    assert "seed" not in differing
    assert {one["name"]["tag"] for one in columns["metricInfos"]} == set().union(*(row for _, row in rows.values()))


def test_a_running_tensorboard_shows_a_replaced_row(outputs: Path, tmp_path: Path) -> None:
    sweep = shutil.copytree(outputs / "sweep", tmp_path / "sweep")
    [job] = sweep.glob("narrow-*")
    name = f"{job.relative_to(tmp_path)}/tensorboard/result"
    with board(tmp_path, num_rows=5) as started:
        before = started.rows()[name][1]
        metrics = json.loads((job / "metrics.json").read_text())
        metrics["compressed"]["accuracy"] = before["accuracy"] / 2
        (job / "metrics.json").write_text(json.dumps(metrics))
        aggregate(sweep)
        deadline = time.monotonic() + 60
        while started.rows()[name][1]["accuracy"] == before["accuracy"] and time.monotonic() < deadline:
            time.sleep(0.5)
        after = started.rows()[name][1]
    assert after == pytest.approx(read_table(sweep)[name], rel=1e-6)
    assert after["accuracy"] == pytest.approx(before["accuracy"] / 2)


@pytest.mark.slow
def test_tensorboard_shows_a_thousand_rows(outputs: Path, tmp_path: Path) -> None:
    [recorded, *_] = outputs.glob("sweep/*/metrics.json")
    metrics = json.loads(recorded.read_text())
    config = compose_config(*SMALL)
    started = time.perf_counter()
    for index in range(1000):
        job = make_logged_run(config, tmp_path / "outputs" / f"job{index:04}")
        metrics["compressed"]["accuracy"] = index / 1000
        one = replace(job, settings={**job.settings, "sparsity": index / 1000})
        TensorBoardLog(one).write_row(Result(make_row(metrics)))
    written = time.perf_counter()
    with board(tmp_path / "outputs", num_rows=1000) as running:
        read = time.perf_counter()
        rows = running.rows()
    print(f"written in {written - started:.1f} s, read in {read - written:.1f} s, {time.perf_counter() - read:.1f} s")
    assert len(rows) == 1000
    assert rows["job0321/tensorboard/result"][1]["accuracy"] == pytest.approx(0.321)
    assert rows["job0321/tensorboard/result"][0]["sparsity"] == pytest.approx(0.321)

"""`tensorboard --logdir outputs`, asked as its own page asks: curves of every job, and one row a job."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from board import board
from runs import TINY, compose_config, run_here, train

from compression.reporting.hparams import make_hparams, make_row
from compression.stages.loggers import log_row

SHORT = (*TINY, "strategy=oneshot_l1", "runtime.engines=[onnxruntime]", "runtime.batch_sizes=[1]")
WANTED = ("accuracy", "dense_accuracy", "drop_points", "bytes", "compression_ratio", "latency_ms", "sparsity")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory) -> Path:
    """A sweep of two jobs, and a run alone that was asked for twice."""
    path = tmp_path_factory.mktemp("tensorboard") / "outputs"
    code, output = train("-m", *SHORT, "sparsity=0.5,0.7", "name=sweep", f"output_dir={path}", fork_jobs=True)
    assert code == 0, output
    for _ in range(2):
        run_here(*SHORT, "strategy=none", run_dir=path / "alone", output_dir=path)
    return path


def test_one_row_a_job_with_every_final_metric_and_all_curves(outputs: Path) -> None:
    folders = {path.parent.name: path.parent for path in outputs.glob("**/metrics.json")}
    assert len(folders) == 3
    with board(outputs, num_rows=3) as started:
        tags, columns, rows = started.scalar_tags(), started.experiment(), started.rows()
    names = {f"{path.relative_to(outputs)}/tensorboard/result": path for path in folders.values()}
    assert set(rows) == set(names)
    for name, folder in names.items():
        asked, metrics = rows[name]
        wanted = make_row(json.loads((folder / "metrics.json").read_text()))
        assert set(WANTED) <= set(wanted)
        assert metrics == pytest.approx(wanted, rel=1e-6)
        assert asked["seed"] == 42
        assert "training.epochs" in asked
        assert tags[f"{name.removesuffix('result')}dense"].count("val/accuracy") == 1
        pruned = folder.name != "alone"
        assert ("sparsity" in tags.get(f"{name.removesuffix('result')}prune", [])) == pruned
    assert {asked["sparsity"] for asked, _ in rows.values()} == {0.5, 0.7, "null"}
    differing = {one["name"] for one in columns["hparamInfos"] if one.get("differs")}
    assert {"sparsity", "strategy.name"} <= differing
    assert "seed" not in differing
    assert {one["name"]["tag"] for one in columns["metricInfos"]} == set().union(*(row for _, row in rows.values()))


@pytest.mark.slow
def test_a_thousand_rows(outputs: Path, tmp_path: Path) -> None:
    [recorded, *_] = outputs.glob("sweep/*/metrics.json")
    metrics = json.loads(recorded.read_text())
    config = compose_config(*SHORT)
    started = time.perf_counter()
    for index in range(1000):
        one: Any = SimpleNamespace(config=config, run_dir=tmp_path / "outputs" / f"job{index:04}")
        metrics["compressed"]["accuracy"] = index / 1000
        log_row(one, make_hparams(asdict(config) | {"sparsity": index / 1000}), make_row(metrics))
    written = time.perf_counter()
    with board(tmp_path / "outputs", num_rows=1000) as running:
        read = time.perf_counter()
        rows = running.rows()
    print(f"written in {written - started:.1f} s, read in {read - written:.1f} s, {time.perf_counter() - read:.1f} s")
    assert len(rows) == 1000
    assert rows["job0321/tensorboard/result"][1]["accuracy"] == pytest.approx(0.321)
    assert rows["job0321/tensorboard/result"][0]["sparsity"] == pytest.approx(0.321)

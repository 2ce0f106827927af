"""The table of a sweep, with a row per job."""

import csv
import json

import pytest
from runs import ROOT
from sweep_folders import make_grid

from compression.sweep.report.sweep_report import aggregate


def read_rows(folder):
    with (folder / "results.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["kind"] != "dense"]


@pytest.mark.usefixtures("without_pictures")
def test_a_row_by_hand(folder, metrics):
    document = metrics(val=0.95, dense_val=0.97, accuracy=0.94, dense=0.96, num_bytes=2**20, sparsity=0.51)
    folder.add("s50_w8-1a", {"sparsity": 0.5, "weight_bits": 8}, metrics=document)
    aggregate(folder.path)
    (row,) = json.loads((folder.path / "results.json").read_text())["jobs"]
    points = row.pop("val_drop_points"), row.pop("drop_points")
    assert points == (pytest.approx(2.0), pytest.approx(2.0))
    expected = {
        "job": "s50_w8-1a",
        "kind": "grid",
        "configuration": "s50 w8",
        "status": "finished",
        "reason": None,
        "axis.sparsity": 0.5,
        "axis.weight_bits": 8,
        "seed": 42,
        "val_accuracy": 0.95,
        "accuracy": 0.94,
        "dense_val_accuracy": 0.97,
        "dense_accuracy": 0.96,
        "sparsity": 0.51,
        "weight_bits": 8,
        "activation_bits": 8,
        "bytes": 2**20,
        "dense_bytes": 2**23,
        "compression_ratio": 8.0,
        "latency_ms": 0.5,
        "latency_p10_ms": 0.45,
        "latency_p90_ms": 0.6,
        "latency_engine": "onnxruntime",
        "latency_batch": 1,
        "speedup": 2.0,
        "speedup_p10": 1.8,
        "speedup_p90": pytest.approx(2.2),
        "latency_openvino_b1_ms": 0.75,
        "latency_onnxruntime_b64_ms": 4.0,
        "macs": 500,
        "dense_macs": 1000,
        "epochs": 25,
        "dense_epochs": 20,
        "test_images": 360,
        "threads": 1,
        "seconds": 12.5,
        "stages": {"dense": "d42", "prune": "p0"},
    }
    assert {key: row[key] for key in expected} == expected


@pytest.mark.usefixtures("without_pictures")
def test_columns_that_vary_between_runs_are_listed(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5], bits=[8])
    aggregate(tmp_path / "grid")
    document = json.loads((tmp_path / "grid" / "results.json").read_text())
    assert {"seconds", "latency_ms", "speedup", "latency_onnxruntime_b1_ms"} <= set(document["varying"])
    assert not {"accuracy", "bytes", "macs", "stages"} & set(document["varying"])


@pytest.mark.usefixtures("without_pictures")
def test_every_column_is_documented(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5], bits=[8])
    aggregate(tmp_path / "grid")
    page = (ROOT / "docs" / "sweeps.md").read_text().partition("## Columns")[2].partition("## Picks")[0]
    for column in read_rows(tmp_path / "grid")[0]:
        if not column.startswith(("axis.", "latency_onnx", "latency_openvino", "speedup_onnx", "speedup_openvino")):
            assert f"`{column}`" in page, column

import csv
import io
import json
import math
import time

import pytest
import yaml
from PIL import Image
from rich.console import Console
from runs import ROOT
from sweep_folders import make_grid

from compression.core.errors import InputError
from compression.sweep.answer.picks import KEPT, RULES
from compression.sweep.answer.report import aggregate

FILES = ("results.csv", "results.json", "summary.yaml", "report.md")
PICTURES = ("pareto_sparsity", "pareto_bytes", "pareto_latency", "parallel_coordinates", "accuracy_steps")


def printed(result, width=110):
    stream = io.StringIO()
    Console(file=stream, width=width).print(result.to_rich())
    return stream.getvalue()


def read_rows(folder):
    with (folder / "results.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_is_written(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.7, 0.9], bits=[6, 8])
    result = aggregate(tmp_path / "grid")
    for name in FILES:
        assert (tmp_path / "grid" / name).stat().st_size > 0
    for name in PICTURES:
        with Image.open(tmp_path / "grid" / "pictures" / f"{name}.png") as image:
            assert min(image.size) > 100
    document = json.loads((tmp_path / "grid" / "results.json").read_text())
    rows = read_rows(tmp_path / "grid")
    assert len(rows) == len(document["jobs"]) == 12
    assert list(rows[0]) == list(document["columns"]) == list(document["jobs"][0])
    assert all(document["columns"].values())
    summary = yaml.safe_load((tmp_path / "grid" / "summary.yaml").read_text())
    document["leaderboard"] = document["leaderboard"][:20]
    assert summary == {key: document[key] for key in summary}
    report = (tmp_path / "grid" / "report.md").read_text()
    for pick in result.picks:
        assert pick.rule in report
        assert pick.chosen.job.name in report
    assert all(f"](pictures/{name}.png)" in report for name in PICTURES)
    assert all(f"| `{column}` |" in report for column in document["columns"])


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


def test_failures_are_listed_and_the_rest_is_there(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics())
    folder.add("b", {"sparsity": 0.7}, status="failed", reason="[red] a | b")
    folder.add("c", {"sparsity": 0.9}, status=None)
    result = aggregate(folder.path)
    text = printed(result)
    assert "3 jobs: 1 finished, 1 failed, 1 waiting" in text
    assert "failed: b ([red] a | b)" in text
    assert "| b | failed | [red] a \\| b |" in (folder.path / "report.md").read_text()
    assert [row["status"] for row in read_rows(folder.path)] == ["finished", "failed", "waiting"]
    assert read_rows(folder.path)[1]["accuracy"] == ""


def test_a_sweep_of_which_nothing_finished_is_still_reported(folder):
    folder.add("a", {"sparsity": 0.5}, status="failed", reason="no")
    result = aggregate(folder.path)
    assert "no job has finished" in printed(result)
    assert "flatters" not in printed(result)
    assert all((folder.path / name).exists() for name in FILES)
    assert all((folder.path / "pictures" / f"{name}.png").exists() for name in PICTURES)


def test_one_job_that_neither_pruned_nor_was_timed(folder, metrics):
    document = metrics(weight_bits=32, sparsity=0.0)
    document["timing"] = {}
    document["compressed"]["sparsity"] = 0.0
    folder.add("a", metrics=document)
    assert "0 finished" not in printed(aggregate(folder.path))


def test_odd_axes_are_written_and_drawn(folder, metrics):
    values = [
        None,
        True,
        float("nan"),
        10**400,
        "a $x$ _b_ $^",
        "[bold]",
        {"k": [1]},
        0.5,
        "line\nbreak",
        "|",
        "x" * 300,
    ]
    history = [{"step": 1, "sparsity": 0.5, "accuracy_after": 0.9}]
    for number, value in enumerate(values):
        made = metrics(history=history, prune=f"p{number}", val=0.9 + number / 1000)
        folder.add(f"j{number}", {"odd $key$": value, "sparsity": 0.5}, metrics=made)
    printed(aggregate(folder.path), width=60)
    assert len(json.loads((folder.path / "results.json").read_text())["jobs"]) == len(values)
    assert len(read_rows(folder.path)) == len(values)


def test_an_empty_folder_is_one_line(tmp_path):
    with pytest.raises(InputError):
        aggregate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_same_records_give_the_same_files(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[8], seeds=[0, 1])
    aggregate(tmp_path / "grid")
    first = {path: path.read_bytes() for path in (tmp_path / "grid").rglob("*") if path.is_file()}
    aggregate(tmp_path / "grid")
    assert {path: path.read_bytes() for path in (tmp_path / "grid").rglob("*") if path.is_file()} == first


def test_columns_that_a_clock_fills_are_named(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5], bits=[8])
    aggregate(tmp_path / "grid")
    document = json.loads((tmp_path / "grid" / "results.json").read_text())
    assert {"seconds", "latency_ms", "speedup", "latency_onnxruntime_b1_ms"} <= set(document["varying"])
    assert not {"accuracy", "bytes", "macs", "stages"} & set(document["varying"])


def test_ties_are_marked_and_said(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8], seeds=[0, 1, 2], baselines=False)
    result = aggregate(tmp_path / "grid")
    assert [(one.place, one.tied) for one in result.answer.configurations] == [
        (1, True),
        (1, True),
        (3, True),
        (3, True),
    ]
    report = (tmp_path / "grid" / "report.md").read_text()
    assert "| =1 | s50" in report
    assert "Welch" in report
    assert " ± " in printed(result)


def test_ties_are_in_every_form_of_the_answer(folder, metrics):
    folder.plan["axes"] = {"sparsity": [0.5, 0.9], "seed": [0, 1, 2]}
    for name, sparsity, mean, num_bytes in (("a", 0.5, 0.9505, 4096), ("b", 0.9, 0.95, 2048)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            made = metrics(val=mean + step, num_bytes=num_bytes, seed=seed)
            folder.add(f"{name}{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    tie = "accuracy tied with 1 other within the noise of seeds; the smallest of them is b2, 2.0 KiB"
    assert tie in " ".join(printed(aggregate(folder.path)).split())
    assert f"{tie}. Rule: the highest accuracy." in (folder.path / "report.md").read_text()
    document = json.loads((folder.path / "results.json").read_text())
    assert (document["picks"][0]["tie"], document["picks"][0]["tied_with"]) == (tie, ["b2"])
    assert "told apart by cost alone" in (folder.path / "report.md").read_text()


def test_seeds_of_collapsed_jobs_alone_are_said_to_tell_nothing(folder, metrics):
    folder.add("a", {"sparsity": 0.5, "seed": 0}, metrics=metrics(val=0.9, seed=0))
    for seed, val in enumerate((0.1, 0.5)):
        folder.add(f"b{seed}", {"sparsity": 0.9, "seed": seed}, metrics=metrics(val=val, seed=seed))
    aggregate(folder.path)
    assert "No configuration of the grid near the best has several seeds" in (folder.path / "report.md").read_text()


def test_the_front_is_that_of_the_grid_and_baselines_beyond_it_are_named(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.95, num_bytes=1000))
    folder.add("b", {"sparsity": 0.7}, metrics=metrics(val=0.90, num_bytes=2000, sparsity=0.7))
    folder.add("s", {}, kind="small_dense", metrics=metrics(val=0.97, num_bytes=900, sparsity=0.0))
    folder.add("r", {}, kind="random", metrics=metrics(val=0.5, num_bytes=1500))
    front = aggregate(folder.path).fronts["bytes"]
    assert [one.job.name for one in front.members] == ["a"]
    assert [one.job.name for one in front.unbeaten_baselines] == ["s"]


def test_a_thousand_jobs(tmp_path):
    """No timing assert here: docs/sweeps.md has the seconds."""
    sparsities = [0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97]
    strategies = ["gmp", "iterative_l1", "oneshot_structured_l2", "rigl"]
    make_grid(
        tmp_path / "grid",
        sparsities=sparsities,
        bits=[3, 4, 5, 6, 8],
        strategies=strategies,
        seeds=range(5),
        baselines=False,
    )
    begun = time.perf_counter()
    result = aggregate(tmp_path / "grid")
    print(f"{time.perf_counter() - begun:.1f} s")
    assert len(read_rows(tmp_path / "grid")) == 1000
    assert len(printed(result).splitlines()) < 80
    assert all(math.isfinite(one.score.mean) for one in result.answer.configurations)


def test_the_table_fits_a_narrow_terminal(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8])
    assert all(len(line) <= 100 for line in printed(aggregate(tmp_path / "grid"), width=100).splitlines())


def test_every_column_is_documented(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5], bits=[8])
    aggregate(tmp_path / "grid")
    page = (ROOT / "docs" / "sweeps.md").read_text().partition("## Columns")[2].partition("## Picks")[0]
    for column in read_rows(tmp_path / "grid")[0]:
        if not column.startswith(("axis.", "latency_onnx", "latency_openvino", "speedup_onnx", "speedup_openvino")):
            assert f"`{column}`" in page, column


def test_every_rule_is_documented():
    page = " ".join((ROOT / "docs" / "sweeps.md").read_text().split())
    assert all(f"| {title} |" in page for title in RULES)
    assert f"keep {100 * KEPT:.0f} % of the dense model's accuracy" in page

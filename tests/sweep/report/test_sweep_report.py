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
from sweep_folders import Folder, make_grid

from compression.core.errors import InputError
from compression.sweep.report.picks import KEPT, RULES
from compression.sweep.report.sweep_report import aggregate

FILES = ("results.csv", "results.json", "summary.yaml", "report.md")
PICTURES = ("pareto_sparsity", "pareto_bytes", "pareto_latency", "parallel_coordinates", "accuracy_steps")


def printed(result, width=110):
    stream = io.StringIO()
    Console(file=stream, width=width).print(result.to_rich())
    return stream.getvalue()


def read_rows(folder):
    with (folder / "results.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["kind"] != "dense"]


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


@pytest.mark.usefixtures("without_pictures")
def test_latencies_are_those_of_the_fastest_engine_by_name(folder, metrics):
    document = metrics(milliseconds=0.5, num_bytes=2**18)
    for entry in document["timing"]["latency"]:
        if entry["engine"] == "openvino" and entry["batch_size"] == 1:
            entry["engine"], entry["compressed"]["latency_ms"]["median"] = "sparse", 0.2
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.98, milliseconds=0.5))
    folder.add("b", {"sparsity": 0.9}, metrics=document)
    result = aggregate(folder.path)
    report = (folder.path / "report.md").read_text()
    assert "front against latency in the fastest engine (sparse, onnxruntime): s90, s50" in report
    found = json.loads((folder.path / "results.json").read_text())["leaderboard"]
    assert {one["ship"]: (one["latency_ms"], one["latency_engine"]) for one in found} == {
        "a": (0.5, "onnxruntime"),
        "b": (0.2, "sparse"),
    }
    assert "| 0.2 | sparse |" in report
    assert "0.2 ms (sparse)" in printed(result, width=300)


@pytest.mark.usefixtures("without_pictures")
def test_failed_jobs_are_listed_beside_finished_ones(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics())
    folder.add("b", {"sparsity": 0.7}, status="failed", reason="[red] a | b <class>")
    folder.add("c", {"sparsity": 0.9}, status=None)
    result = aggregate(folder.path)
    text = printed(result)
    assert "3 jobs: 1 finished, 1 failed, 1 waiting" in text
    assert "failed: b ([red] a | b <class>)" in text
    assert "| b | failed | [red] a \\| b &lt;class> |" in (folder.path / "report.md").read_text()
    assert [row["status"] for row in read_rows(folder.path)] == ["finished", "failed", "waiting"]
    assert read_rows(folder.path)[1]["accuracy"] == ""


def test_a_sweep_without_finished_jobs_has_a_report(folder):
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


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(InputError):
        aggregate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_same_records_give_the_same_files(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[8], seeds=[0, 1])
    aggregate(tmp_path / "grid")
    first = {path: path.read_bytes() for path in (tmp_path / "grid").rglob("*") if path.is_file()}
    aggregate(tmp_path / "grid")
    assert {path: path.read_bytes() for path in (tmp_path / "grid").rglob("*") if path.is_file()} == first


@pytest.mark.usefixtures("without_pictures")
def test_ties_are_marked_and_explained(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8], seeds=[0, 1, 2], baselines=False)
    result = aggregate(tmp_path / "grid")
    assert [(one.place, one.tied) for one in result.ranking.configurations] == [
        (1, True),
        (1, True),
        (3, True),
        (3, True),
    ]
    report = (tmp_path / "grid" / "report.md").read_text()
    assert "| =1 | s50" in report
    assert "Welch" in report
    assert " ± " in printed(result)


@pytest.mark.usefixtures("without_pictures")
def test_ties_are_in_every_form_of_the_report(folder, metrics):
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
    assert "differ in cost alone" in (folder.path / "report.md").read_text()


@pytest.mark.usefixtures("without_pictures")
def test_seeds_of_collapsed_jobs_alone_give_no_noise(folder, metrics):
    folder.add("a", {"sparsity": 0.5, "seed": 0}, metrics=metrics(val=0.9, seed=0))
    for seed, val in enumerate((0.1, 0.5)):
        folder.add(f"b{seed}", {"sparsity": 0.9, "seed": seed}, metrics=metrics(val=val, seed=seed))
    aggregate(folder.path)
    assert "No configuration of the grid near the best has several seeds" in (folder.path / "report.md").read_text()


@pytest.mark.slow
def test_a_thousand_jobs(tmp_path):
    """The seconds are in docs/sweeps.md, so they are not asserted here."""
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
    assert all(math.isfinite(one.score.mean) for one in result.ranking.configurations)


@pytest.mark.usefixtures("without_pictures")
def test_the_table_fits_a_narrow_terminal(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8])
    assert all(len(line) <= 100 for line in printed(aggregate(tmp_path / "grid"), width=100).splitlines())


def test_every_rule_is_documented():
    page = " ".join((ROOT / "docs" / "sweeps.md").read_text().split())
    assert all(f"| {title} |" in page for title in RULES)
    assert f"keep {100 * KEPT:.0f} % of the dense model's accuracy" in page


def test_names_have_no_meaning_in_the_report(tmp_path, metrics):
    folder = Folder(tmp_path / "names", {"v": ["<b>one</b>", "*two*"]})
    folder.add("<img src=x>", {"v": "<b>one</b>"}, metrics=metrics(val=0.97, num_bytes=2**20))
    folder.add("b", {"v": "*two*"}, metrics=metrics(val=0.96, num_bytes=2**19))
    aggregate(folder.path)
    report = (folder.path / "report.md").read_text()
    assert "&lt;img src=x>" in report
    assert "<img" not in report
    assert "<b>" not in report
    assert "**best accuracy**" in report

import json
import math
import time

import pytest
import yaml
from PIL import Image
from sweep_folders import make_grid, read_rows, render_result

from compression.core.errors import InputError
from compression.sweep.report.sweep_report import aggregate

FILES = ("results.csv", "results.json", "summary.yaml", "report.md")
PICTURES = ("pareto_sparsity", "pareto_bytes", "pareto_latency", "parallel_coordinates", "accuracy_steps")


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


def test_a_sweep_without_finished_jobs_has_a_report(folder):
    folder.add("a", {"sparsity": 0.5}, status="failed", reason="no")
    result = aggregate(folder.path)
    assert "no job has finished" in render_result(result)
    assert "flatters" not in render_result(result)
    assert all((folder.path / name).exists() for name in FILES)
    assert all((folder.path / "pictures" / f"{name}.png").exists() for name in PICTURES)


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
    render_result(aggregate(folder.path), width=60)
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
    assert len(render_result(result).splitlines()) < 80
    assert all(math.isfinite(one.score.mean) for one in result.ranking.configurations)

"""What a terminal shows of a sweep."""

import pytest
from sweep_folders import make_grid, read_rows, render_result

from compression.sweep.report.sweep_report import aggregate


@pytest.mark.usefixtures("without_pictures")
def test_failed_jobs_are_listed_beside_finished_ones(folder, metrics):
    folder.add("a", {"sparsity": 0.5}, metrics=metrics())
    folder.add("b", {"sparsity": 0.7}, status="failed", reason="[red] a | b <class>")
    folder.add("c", {"sparsity": 0.9}, status=None)
    result = aggregate(folder.path)
    text = render_result(result)
    assert "3 jobs: 1 finished, 1 failed, 1 waiting" in text
    assert "failed: b ([red] a | b <class>)" in text
    assert "| b | failed | [red] a \\| b &lt;class> |" in (folder.path / "report.md").read_text()
    assert [row["status"] for row in read_rows(folder.path)] == ["finished", "failed", "waiting"]
    assert read_rows(folder.path)[1]["accuracy"] == ""


def test_one_job_that_neither_pruned_nor_was_timed(folder, metrics):
    document = metrics(weight_bits=32, sparsity=0.0)
    document["timing"] = {}
    document["compressed"]["sparsity"] = 0.0
    folder.add("a", metrics=document)
    assert "0 finished" not in render_result(aggregate(folder.path))


@pytest.mark.usefixtures("without_pictures")
def test_the_table_fits_a_narrow_terminal(tmp_path):
    make_grid(tmp_path / "grid", sparsities=[0.5, 0.9], bits=[6, 8])
    assert all(len(line) <= 100 for line in render_result(aggregate(tmp_path / "grid"), width=100).splitlines())

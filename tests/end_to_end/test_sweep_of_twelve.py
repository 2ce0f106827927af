"""A sweep of twelve jobs, of which one fails: eleven results, one reason, a complete report, and exit code 1."""

import csv

import pytest
from runs import TINY, train

from compression.sweep.jobs import FAILED, FINISHED


@pytest.mark.slow
def test_a_sweep_with_one_failed_job_reports_eleven_results_and_one_reason(tmp_path):
    small = [line for line in TINY if not line.startswith("model")]
    code, output = train(
        "-m",
        *small,
        "model=custom",
        "model._target_=failing_net.SeventhFails",
        "+model.number=range(0,12)",
        "training.epochs=1",
        "strategy=oneshot_l1",
        "runtime.engines=[onnxruntime]",
        "runtime.batch_sizes=[1]",
        f"output_dir={tmp_path}",
        "name=sweep",
        timeout=1200,
    )
    assert code == 1, output
    folder = tmp_path / "sweep"
    with (folder / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] != "dense"]
    assert [row["status"] for row in rows].count(FINISHED) == 11
    [failed] = [row for row in rows if row["status"] == FAILED]
    assert failed["axis.model.number"] == "7"
    assert failed["reason"] == "RuntimeError: the third step is one too many"
    assert not failed["accuracy"]
    assert all(row["accuracy"] and row["bytes"] for row in rows if row is not failed)
    assert output.count("the third step is one too many") >= 2, "the failure is printed when it happens, and at the end"
    pictures = {path.name for path in (folder / "pictures").iterdir()}
    assert {"pareto_bytes.png", "pareto_sparsity.png", "pareto_latency.png", "accuracy_steps.png"} <= pictures
    assert "the third step is one too many" in (folder / "report.md").read_text()

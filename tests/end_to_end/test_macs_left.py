"""MACs of non-zero weights, against a count on the written file."""

import json

import pytest
from runs import TINY, run_here

import compression

# Output positions of the layers of the tiny network on 32x32 images.
POSITIONS = {"features.0.weight": 64, "features.3.weight": 16, "classifier.weight": 1}


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("macs")
    command = ("strategy=oneshot_l1", "strategy.target=macs", "sparsity=0.8", "strategy.recovery.epochs=0")
    run_here(*TINY, *command, "training.epochs=1", run_dir=folder / "run", output_dir=folder)
    return folder / "run"


def test_the_run_reports_the_macs_that_are_left(run_dir):
    metrics = json.loads((run_dir / "metrics.json").read_text())
    model = compression.load(run_dir / "model.cmp", allow=["tiny_net"])
    weights = dict(model.named_parameters())
    left = sum(POSITIONS[name] * int(weights[name].count_nonzero()) for name in POSITIONS)
    dense = sum(POSITIONS[name] * weights[name].numel() for name in POSITIONS)
    assert metrics["compressed"]["nonzero_macs"] == left
    assert metrics["dense"]["nonzero_macs"] == dense == metrics["compressed"]["macs"]
    assert dense - round(0.8 * dense) - 64 < left <= dense - round(0.8 * dense)
    assert metrics["improvement"]["nonzero_macs_ratio"] == dense / left
    assert metrics["run"]["target"] == "macs"
    assert metrics["compressed"]["sparsity"] != pytest.approx(0.8, abs=0.001)


def test_the_report_names_the_target(run_dir):
    report = (run_dir / "report.md").read_text()
    assert "The target was to remove 80 % of MACs." in report
    assert "of non-zero weights" in report

"""Tests of the HParams row of a run, computed by hand."""

import pytest

from compression.reporting.hparams import make_hparams, make_row
from compression.reporting.metrics import make_metrics


@pytest.fixture
def metrics(evaluated):
    return make_metrics(
        run={"val_accuracy": {"dense": 0.99, "prune": 0.97}},
        evaluated=evaluated,
        stage_seconds={"dense": 2.5, "prune": 1.5},
        provenance={},
    )


def test_settings_become_flat_keys_and_plain_values():
    settings = {"seed": 3, "name": "mine", "logger": {"a": 1}, "strategy": {"name": "gmp", "protect": ["first"]}}
    assert make_hparams(settings | {"sparsity": None, "overwrite": False}) == {
        "seed": 3,
        "strategy.name": "gmp",
        "strategy.protect": "['first']",
        "sparsity": "null",
    }


def test_final_metrics(metrics):
    row = make_row(metrics)
    assert row["accuracy"] == 0.965
    assert row["drop_points"] == pytest.approx(1.5)
    assert row["val_accuracy"] == 0.97
    assert (row["bytes"], row["dense_bytes"], row["compression_ratio"]) == (2**20, 2**23, 8)
    assert row["sparsity"] == 0.9
    assert row["seconds"] == 4
    assert row["load_ms"] == 40
    assert row["latency_ms"] == row["latency_eager_b1_ms"] == 4
    assert row["latency_onnxruntime_b64_ms"] == 64


def test_simulated_integers_and_missing_measurements_are_left_out(metrics):
    metrics["quantization"] = {"parity": None}
    metrics["timing"]["compressed"]["peak_memory_bytes"] = None
    row = make_row(metrics)
    assert "latency_eager_b1_ms" not in row
    assert "peak_memory_bytes" not in row
    assert row["latency_ms"] == 64

import pytest
from sweep_folders import make_metrics

from compression.reporting.metrics_reader import read_measured
from compression.reporting.result_row import make_result_row, speedup_of


@pytest.fixture
def run():
    return read_measured(make_metrics())


def test_a_run_against_its_own_dense_model(run):
    row = make_result_row(run, dense=run, batch_size=64)
    assert (row["drop_points"], row["val_drop_points"]) == (pytest.approx(2.0), pytest.approx(1.5))
    assert (row["compression_ratio"], row["macs_ratio"]) == (8, 2)
    assert (row["latency_ms"], row["latency_engine"], row["latency_batch"]) == (4.0, "onnxruntime", 64)
    # The speedup is the one that was measured round by round.
    assert (row["speedup"], row["speedup_p10"]) == (2.0, 1.8)
    assert row["latency_openvino_b1_ms"] == 0.75
    assert "latency_eager_b1_ms" not in row
    assert row["stages"] == {"dense": "d42", "prune": "p0"}


def test_speedup_over_another_runs_dense_model_is_a_ratio_of_medians(run):
    other = read_measured(make_metrics(dense=0.99, dense_bytes=2**24, dense_milliseconds=3.0))
    row = make_result_row(run, dense=other, batch_size=1)
    assert row["drop_points"] == pytest.approx(3.0)
    assert row["compression_ratio"] == 16
    # 3 ms of the other's best dense engine over 0.5 ms; of a ratio of medians no spread is known.
    assert row["speedup"] == 6.0
    assert (row["speedup_p10"], row["speedup_p90"]) == (None, None)
    assert row["speedup_openvino_b1"] == 4.0


def test_unknown_values_are_none(run):
    row = make_result_row(run, dense=run, batch_size=7)
    assert "latency_ms" not in row
    assert (row["gzip_ratio"], row["nonzero_ratio"], row["load_ms"]) == (None, None, None)
    assert speedup_of(None, dense=run, own=True) is None
    untimed = make_metrics()
    untimed["timing"]["latency"] = []
    assert speedup_of(run.latency(1), dense=read_measured(untimed), own=False) is None

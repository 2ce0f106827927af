import csv

import pytest
from sweep_folders import make_metrics

from compression.sweep.report.dense_rows import make_dense_rows
from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records
from compression.sweep.report.results_reader import read_results
from compression.sweep.report.sweep_report import aggregate


@pytest.fixture
def two_seeds(folder):
    for seed, dense in ((1, 0.98), (2, 0.96)):
        for sparsity in (0.5, 0.9):
            made = make_metrics(seed=seed, dense=dense, dense_val=dense - 0.01, milliseconds=0.25)
            made["run"]["stages"]["dense"] = f"d{seed}"
            folder.add(f"{sparsity}-{seed}", {"sparsity": sparsity, "seed": seed}, metrics=made)
    return folder


def test_each_dense_training_has_a_row(two_seeds):
    rows = list(make_dense_rows(rank_sweep(read_records(two_seeds.path))))
    assert [(row["seed"], row["accuracy"], row["val_accuracy"]) for row in rows] == [(1, 0.98, 0.97), (2, 0.96, 0.95)]
    for row in rows:
        assert (row["kind"], row["job"], row["configuration"], row["status"]) == ("dense", "", "dense", "finished")
        assert (row["bytes"], row["compression_ratio"], row["drop_points"]) == (2**23, 1.0, 0.0)
        assert (row["sparsity"], row["weight_bits"], row["activation_bits"]) == (0.0, 32, 32)
        assert (row["latency_ms"], row["latency_engine"], row["speedup"]) == (1.0, "onnxruntime", 1.0)


def test_rows_have_the_fold_the_stage_and_the_score_that_the_sweep_compares_by(folder):
    for fold in (1, 2):
        for sparsity, milliseconds in ((0.5, 1.0), (0.7, 2.0), (0.9, 4.0)):
            made = make_metrics(dense_milliseconds=milliseconds)
            made["run"] |= {"monitor": "balanced_accuracy", "stages": {"dense": f"d{fold}"}}
            for part, score in (("dense", 0.7), ("compressed", 0.6)):
                made[part]["scores"] = {"accuracy": 0.9, "balanced_accuracy": score, "macro_f1": 0.5}
                made[part]["val_scores"] = made[part]["scores"]
            axes = {"sparsity": sparsity, "data.fold": fold}
            folder.add(f"{sparsity}-{fold}", axes, metrics=made)
    rows = list(make_dense_rows(rank_sweep(read_records(folder.path))))
    assert [row["axis.data.fold"] for row in rows] == [1, 2]
    assert [row["stages"] for row in rows] == [{"dense": "d1"}, {"dense": "d2"}]
    for row in rows:
        assert (row["monitor"], row["score"], row["dense_score"]) == ("balanced_accuracy", 0.7, 0.7)
        assert (row["latency_ms"], row["epochs"], row["dense_epochs"]) == (2.0, 20, 20)


@pytest.mark.usefixtures("without_pictures")
def test_the_table_ends_with_them_and_is_read_without_them(two_seeds):
    aggregate(two_seeds.path)
    with (two_seeds.path / "results.csv").open(newline="") as stream:
        kinds = [row["kind"] for row in csv.DictReader(stream)]
    assert kinds == ["grid"] * 4 + ["dense"] * 2
    assert len(read_results(two_seeds.path).jobs) == 4

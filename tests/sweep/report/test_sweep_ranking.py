"""The model that a configuration is compared with."""

import math

import pytest
from sweep_folders import DENSE_BYTES

from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records


def test_small_dense_is_compared_with_the_grids_dense_model_of_its_seed(folder, metrics):
    for seed, dense_val in ((1, 0.98), (2, 0.90)):
        folder.add(f"g{seed}", {"seed": seed}, metrics=metrics(seed=seed, dense_val=dense_val, dense=0.96))
    small = metrics(seed=2, val=0.88, dense_val=0.89, dense=0.87, accuracy=0.86, dense_bytes=1000, num_bytes=2**20)
    folder.add("s", {"seed": 2}, kind="small_dense", metrics=small)
    one = next(one for one in rank_sweep(read_records(folder.path)).configurations if one.kind == "small_dense")
    assert one.drop == pytest.approx(2.0)
    assert one.test_drop == pytest.approx(10.0)
    assert one.ratio == 8.0
    assert math.isclose(one.speedup, 1.0 / 0.5)


def add_epochs(folder, metrics, epochs, seed, dense_val, **more):
    made = metrics(seed=seed, val=dense_val - 0.01, dense_val=dense_val, **more)
    folder.add(f"e{epochs}_{seed}", {"training.epochs": epochs, "seed": seed}, metrics=made)


def small_beside(folder, metrics, matches, *, epochs=2, seed=1):
    small = metrics(seed=seed, val=0.78, dense_val=0.79, dense_bytes=1000)
    axes = {"training.epochs": epochs, "seed": seed, "width_mult": 0.5, "matches": matches}
    folder.add("s", axes, kind="small_dense", metrics=small)
    [one] = [one for one in rank_sweep(read_records(folder.path)).configurations if one.is_baseline]
    return one


def test_small_dense_is_compared_with_the_job_it_matches(folder, metrics):
    """The matched job trained for two epochs too. The one with thirty epochs and a larger dense file does not count."""
    add_epochs(folder, metrics, 2, 1, 0.8)
    add_epochs(folder, metrics, 30, 1, 0.99, dense_bytes=2 * DENSE_BYTES)
    one = small_beside(folder, metrics, "e2_1")
    assert one.drop == pytest.approx(2.0)
    assert one.kept == pytest.approx(0.78 / 0.8)
    assert one.dense_bytes == DENSE_BYTES


def test_small_dense_of_another_seed_is_compared_with_the_sibling_of_its_seed(folder, metrics):
    add_epochs(folder, metrics, 2, 1, 0.8)
    add_epochs(folder, metrics, 2, 7, 0.82)
    add_epochs(folder, metrics, 30, 7, 0.99, dense_bytes=2 * DENSE_BYTES)
    assert small_beside(folder, metrics, "e2_1", seed=7).drop == pytest.approx(4.0)


def test_small_dense_without_its_match_is_compared_with_a_job_of_the_same_axes(folder, metrics):
    add_epochs(folder, metrics, 2, 1, 0.8)
    add_epochs(folder, metrics, 30, 1, 0.99, dense_bytes=2 * DENSE_BYTES)
    assert small_beside(folder, metrics, "gone").drop == pytest.approx(2.0)

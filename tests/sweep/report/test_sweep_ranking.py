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


def add_twice(folder, metrics, **more):
    """Add a job and a kept one of the same configuration and seed. Their dense models differ."""
    for name, dense_val, kept in (("own", 0.8, False), ("kept", 0.6, True)):
        made = metrics(seed=1, val=0.7, dense_val=dense_val, dense_bytes=DENSE_BYTES * (1 + kept))
        folder.add(name, {"sparsity": 0.5, "seed": 1}, overrides=["sparsity=0.5"], metrics=made, kept=kept, **more)


def read_small(folder, metrics, matches, seed, *, kept=False):
    small = metrics(seed=seed, val=0.78, dense_val=0.79, dense_bytes=1000)
    folder.add("s", {"seed": seed, "matches": matches}, kind="small_dense", metrics=small, kept=kept)
    [one] = [one for one in rank_sweep(read_records(folder.path)).configurations if one.is_baseline]
    return one


def test_a_kept_job_does_not_replace_the_one_that_small_dense_matches(folder, metrics):
    add_twice(folder, metrics)
    assert read_small(folder, metrics, "own", 1).drop == pytest.approx(2.0)


def test_a_kept_job_that_small_dense_matches_is_compared_too(folder, metrics):
    add_twice(folder, metrics)
    assert read_small(folder, metrics, "kept", 1, kept=True).drop == pytest.approx(-18.0)


def test_the_sibling_of_another_seed_is_one_of_the_last_command(folder, metrics):
    folder.add("matched", {"sparsity": 0.5, "seed": 2}, overrides=["sparsity=0.5"], metrics=metrics(seed=2))
    add_twice(folder, metrics)
    assert read_small(folder, metrics, "matched", 1).drop == pytest.approx(2.0)


def test_without_its_match_small_dense_is_compared_with_a_job_of_its_command(folder, metrics):
    add_twice(folder, metrics)
    assert read_small(folder, metrics, "gone", 1).drop == pytest.approx(2.0)


def test_runs_on_different_images_do_not_compare(folder, metrics):
    for name, fingerprint in (("a", "aa"), ("b", "aa"), ("c", None), ("d", "dd")):
        document = metrics()
        document["run"]["data_settings"] = {"fingerprint": fingerprint}
        folder.add(name, {"x": name}, metrics=document)
        expected = "the runs have 2 different sets of images (see fingerprint), so their scores do not compare"
        assert rank_sweep(read_records(folder.path)).incomparable == (expected if name == "d" else None)

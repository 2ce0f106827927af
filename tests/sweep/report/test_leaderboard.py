"""Ranked configurations: their reference models, and the grouping of seeds."""

import math

import pytest
from sweep_folders import DENSE_BYTES, add_smaller

from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records


def test_a_job_without_validation_is_not_ranked_among_those_with(folder, metrics):
    add_smaller(folder, metrics, "a", 0.9, 4)
    document = metrics(accuracy=1.0)
    document["run"]["val_accuracy"] = {}
    folder.add("b", {"sparsity": "b"}, metrics=document)
    assert [one.job.name for one in rank_sweep(read_records(folder.path)).configurations] == ["a"]


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


def test_collapsed_and_random_seeds_do_not_count_as_noise(folder, metrics):
    """Random pruning and a collapsed grid job vary from 10 to 50 %. Still, 90 and 60 % of one seed are not tied."""
    for seed, val in enumerate((0.1, 0.5, 0.3)):
        axes = {"sparsity": 0.5, "seed": seed}
        add_smaller(folder, metrics, f"r{seed}", val, 4, kind="random", axes=axes, seed=seed)
        add_smaller(folder, metrics, f"g{seed}", val, 4, axes={"sparsity": 0.99, "seed": seed}, seed=seed)
    add_smaller(folder, metrics, "a", 0.9, 4, axes={"sparsity": 0.5, "seed": 0}, seed=0)
    add_smaller(folder, metrics, "b", 0.6, 4, axes={"sparsity": 0.9, "seed": 0}, seed=0)
    ranking = rank_sweep(read_records(folder.path))
    assert [(one.job.name, one.place) for one in ranking.configurations[:2]] == [("a", 1), ("b", 2)]
    assert ranking.noise is None
    for seed, val in enumerate((0.88, 0.89)):
        add_smaller(folder, metrics, f"c{seed}", val, 4, axes={"sparsity": 0.7, "seed": seed}, seed=seed)
    assert rank_sweep(read_records(folder.path)).noise.freedom == 1


def test_seeds_are_one_configuration_and_the_best_of_them_is_shipped(folder, metrics):
    for seed, val in ((0, 0.94), (1, 0.98), (2, 0.96)):
        folder.add(f"a{seed}", {"sparsity": 0.5, "seed": seed}, metrics=metrics(val=val, accuracy=val - 0.1, seed=seed))
    folder.add("a3", {"sparsity": 0.5, "seed": 3}, status="failed", reason="boom")
    folder.add("b0", {"sparsity": 0.9, "seed": 0}, metrics=metrics(val=0.97, seed=0))
    ranking = rank_sweep(read_records(folder.path))
    first, second = ranking.configurations
    assert (first.job.name, second.job.name, second.label) == ("b0", "a1", "s50")
    assert (second.num_jobs, second.num_planned) == (3, 4)
    assert second.score.mean == pytest.approx(0.96)
    assert second.score.half_width == pytest.approx(4.302652729911275 * 0.02 / math.sqrt(3))
    assert second.test.mean == pytest.approx(0.86)
    # The means are 0.01 apart with deviation 0.02 and two degrees of freedom, so they are tied.
    assert [(one.place, one.tied) for one in ranking.configurations] == [(1, True), (1, True)]


def test_the_same_seed_twice_is_not_a_sample(folder, metrics):
    for name in ("a", "b"):
        folder.add(name, {"sparsity": 0.5}, metrics=metrics())
    ranking = rank_sweep(read_records(folder.path))
    assert [one.num_jobs for one in ranking.configurations] == [1, 1]
    assert [one.num_planned for one in ranking.configurations] == [1, 1]


def test_jobs_of_different_kinds_are_different_configurations(folder, metrics):
    for kind in ("grid", "random"):
        folder.add(kind, {"sparsity": 0.5, "seed": 1}, kind=kind, metrics=metrics(seed=1))
    assert {one.label for one in rank_sweep(read_records(folder.path)).configurations} == {"s50", "random pruning s50"}

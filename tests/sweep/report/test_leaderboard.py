"""Ranked configurations: which jobs are ranked, and the noise of seeds."""

import math

import pytest
from sweep_folders import add_smaller

from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records


def test_a_job_without_validation_is_not_ranked_among_those_with(folder, metrics):
    add_smaller(folder, metrics, "a", 0.9, 4)
    document = metrics(accuracy=1.0)
    document["run"]["val_accuracy"] = {}
    folder.add("b", {"sparsity": "b"}, metrics=document)
    assert [one.job.name for one in rank_sweep(read_records(folder.path)).configurations] == ["a"]


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

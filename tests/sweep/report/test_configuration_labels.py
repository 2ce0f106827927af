"""The grouping of jobs, and their labels."""

from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.records import read_records


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


def test_groups_of_one_configuration_have_different_labels(folder, metrics):
    """The commands differ in ``analysis`` alone, which makes no other configuration."""
    for name, analysis in (("a", "none"), ("b", "basic")):
        for seed in (1, 2):
            lines = [f"seed={seed}", f"analysis={analysis}"]
            folder.add(f"{name}{seed}", {"sparsity": 0.5, "seed": seed}, overrides=lines, metrics=metrics(seed=seed))
    found = rank_sweep(read_records(folder.path)).configurations
    assert [(one.label, one.num_jobs) for one in found] == [("a1", 2), ("b1", 2)]

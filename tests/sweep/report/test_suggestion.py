"""Suggested values on the line through two runs."""

from sweep_folders import KIB, add_point

from compression.sweep.report.limits import Limits
from compression.sweep.report.recommendation import recommend


def test_next_is_where_the_limit_is_met_between_two_runs(folder, metrics):
    """The loss rises from 1 to 5 points between sparsity 0.5 and 0.9, so it is 2 at 0.5 + 0.4 / 4 = 0.6."""
    add_point(folder, metrics, 0.5, 8, drop=1.0, kib=400)
    add_point(folder, metrics, 0.9, 8, drop=5.0, kib=100)
    found = recommend(folder.path, Limits(max_drop=2.0))
    assert found.best.job.name == "s50_w8"
    assert found.next_run.command == "python train.py -m sparsity=0.6 weight_bits=8 name=sweep"
    assert "2.00 points lost" in found.next_run.rule
    assert "s50 w8 and s90 w8" in found.next_run.rule


def test_bytes_are_met_by_ratio(folder, metrics):
    """The file shrinks from 400 to 100 KiB over 0.4 of sparsity; 200 KiB is half way, rounded into the limit."""
    add_point(folder, metrics, 0.5, 8, drop=1.0, kib=400)
    add_point(folder, metrics, 0.9, 8, drop=5.0, kib=100)
    found = recommend(folder.path, Limits(max_bytes=200 * KIB))
    assert found.best.job.name == "s90_w8"
    assert found.next_run.command == "python train.py -m sparsity=0.7 weight_bits=8 name=sweep"


def test_whole_numbers_stay_whole(folder, metrics):
    add_point(folder, metrics, 0.5, 4, drop=5.0, kib=200)
    add_point(folder, metrics, 0.5, 8, drop=0.5, kib=400)
    found = recommend(folder.path, Limits(max_bytes=300 * KIB))
    assert found.next_run.command == "python train.py -m sparsity=0.5 weight_bits=6 name=sweep"


def test_a_planned_value_is_not_proposed(folder, metrics):
    folder.plan["command"] = ["train.py", "-m", "sparsity=0.5", "weight_bits=4,5,6", "overwrite=true", "plan=false"]
    add_point(folder, metrics, 0.5, 4, drop=5.0, kib=200)
    add_point(folder, metrics, 0.5, 5, drop=4.0, kib=400)
    add_point(folder, metrics, 0.5, 6, drop=0.0, kib=300, status="failed", reason="boom")
    found = recommend(folder.path, Limits(max_bytes=100 * KIB))
    # Two bits are still allowed.
    assert found.best is None
    assert found.next_run.command == "python train.py -m sparsity=0.5 weight_bits=3 name=sweep"
    found = recommend(folder.path, Limits(max_bytes=500 * KIB))
    assert found.next_run.command == "python train.py -m sparsity=0.5 weight_bits=4,5,6"
    assert "failed (boom)" in found.next_run.rule


def test_impossible_bits_are_not_proposed(folder, metrics):
    """Neither 20 between 8 and 32 nor 10 beyond 8 is proposed."""
    for bits, drop, kib in ((6, 3.0, 200), (8, 2.0, 300), (32, 1.0, 900)):
        add_point(folder, metrics, 0.5, bits, drop=drop, kib=kib)
    for limit in (250, 600, 2000):
        command = recommend(folder.path, Limits(max_bytes=limit * KIB)).next_run.command
        assert int(dict(word.split("=") for word in command.split()[3:])["weight_bits"]) in (6, 7, 8, 32)


def test_a_fraction_stays_at_most_one(folder, metrics):
    for alpha, drop in ((0.5, 3.0), (0.9, 2.0)):
        folder.add(f"a{alpha}", {"distillation.alpha": alpha}, metrics=metrics(val=0.98 - drop / 100, dense_val=0.98))
    found = recommend(folder.path, Limits(max_drop=1.0))
    assert found.next_run.command == "python train.py -m distillation.alpha=0.9 name=sweep seed=43"


def test_a_step_beyond_stays_below_a_sparsity_of_one(folder, metrics):
    add_point(folder, metrics, 0.9, 8, drop=1.0, kib=200)
    add_point(folder, metrics, 0.95, 8, drop=2.0, kib=120)
    found = recommend(folder.path, Limits(max_bytes=50 * KIB))
    assert found.next_run.command == "python train.py -m sparsity=0.975 weight_bits=8 name=sweep"


def test_a_single_configuration_is_repeated_with_another_seed(folder, metrics):
    folder.add("a", {"strategy": "gmp"}, metrics=metrics(seed=7), overrides=["strategy=gmp", "name=x", "seed=7"])
    found = recommend(folder.path, Limits(max_drop=50))
    assert found.next_run.command == "python train.py -m strategy=gmp name=sweep seed=8"

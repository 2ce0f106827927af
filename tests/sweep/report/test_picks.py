import pytest
from runs import ROOT
from sweep_folders import DENSE_BYTES, add_smaller

from compression.sweep.report.leaderboard import rank_sweep
from compression.sweep.report.picks import KEPT, RULES, balance, describe_tie, make_picks
from compression.sweep.report.records import read_records


def pick(folder):
    return {pick.title: pick for pick in make_picks(rank_sweep(read_records(folder.path)))}


def test_balance_by_hand():
    """Half of the 10 % is spared, and 4x of at most 16x is half in logarithms. Their harmonic mean is a half."""
    assert balance(0.95, 4.0, largest=16.0) == pytest.approx(0.5)
    assert balance(1.02, 16.0, largest=16.0) == pytest.approx(1.0)
    assert balance(0.9, 16.0, largest=16.0) == 0.0
    assert balance(0.99, 2.0, largest=8.0) == pytest.approx(2 * 0.9 / 3 / (0.9 + 1 / 3))
    assert balance(0.99, 0.5, largest=0.8) == 0.0


def test_three_picks(folder, metrics):
    """Kept 0.99, 0.97, 0.91 at 2x, 8x, 16x give balances .38, .72, .18. The smallest file keeps too little."""
    for name, val, ratio in (("a", 0.99, 2), ("b", 0.97, 8), ("c", 0.91, 16), ("d", 0.89, 64)):
        add_smaller(folder, metrics, name, val, ratio)
    picks = pick(folder)
    assert {title: one.chosen.job.name for title, one in picks.items()} == {
        "best accuracy": "a",
        "best compression": "c",
        "best balanced": "b",
    }
    assert all(one.of_grid is None for one in picks.values())


def test_picks_look_at_validation_and_not_at_test(folder, metrics):
    add_smaller(folder, metrics, "a", 0.95, 4, accuracy=0.99)
    add_smaller(folder, metrics, "b", 0.96, 4, accuracy=0.90)
    assert pick(folder)["best accuracy"].chosen.job.name == "b"


def test_without_validation_test_accuracy_decides_and_the_report_says_so(folder, metrics):
    for name, accuracy in (("a", 0.97), ("b", 0.96)):
        document = metrics(accuracy=accuracy)
        document["run"]["val_accuracy"] = {}
        folder.add(name, {"sparsity": name}, metrics=document)
    ranking = rank_sweep(read_records(folder.path))
    assert not ranking.validated
    assert make_picks(ranking)[0].chosen.job.name == "a"
    assert ranking.configurations[0].drop == pytest.approx(1.0)


def test_ties_go_to_the_smaller_file_then_to_the_first_name(folder, metrics):
    for name, ratio in (("z", 4), ("y", 4), ("x", 2)):
        add_smaller(folder, metrics, name, 0.95, ratio)
    picks = pick(folder)
    assert [one.chosen.job.name for one in picks.values()] == ["y", "y", "y"]


def test_collapsed_models_are_not_picked_for_size(folder, metrics):
    add_smaller(folder, metrics, "a", 0.2, 4)
    picks = pick(folder)
    assert picks["best accuracy"].chosen.job.name == "a"
    assert picks["best compression"].chosen is picks["best balanced"].chosen is None
    assert "20.0 %" in picks["best compression"].reason


def test_a_baseline_that_wins_is_picked_and_the_best_of_the_grid_named(folder, metrics):
    add_smaller(folder, metrics, "a", 0.95, 4)
    add_smaller(folder, metrics, "s", 0.97, 8, kind="small_dense", dense_bytes=DENSE_BYTES // 4, axes={})
    picks = pick(folder)
    for one in picks.values():
        assert (one.chosen.job.name, one.of_grid.job.name) == ("s", "a")


def test_a_tie_is_described_with_its_smallest_member(folder, metrics):
    """The two means are nearly equal, and the better one has twice the bytes."""
    for name, sparsity, mean, ratio in (("a", 0.5, 0.9505, 4), ("b", 0.9, 0.95, 8)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            axes = {"sparsity": sparsity, "seed": seed}
            add_smaller(folder, metrics, f"{name}{seed}", mean + step, ratio, axes=axes, seed=seed)
    found = pick(folder)["best accuracy"]
    assert found.chosen.job.name == "a2"
    expected = "accuracy tied with 1 other within the noise of seeds; the smallest of them is b2, 1.00 MiB"
    assert describe_tie(found.chosen, found.tied) == expected


def test_equal_numbers_of_one_seed_are_a_tie_without_noise(folder, metrics):
    for name, ratio in (("x", 2), ("y", 4), ("z", 3)):
        add_smaller(folder, metrics, name, 0.95, ratio)
    found = pick(folder)["best accuracy"]
    assert describe_tie(found.chosen, found.tied) == "accuracy tied with 2 others, none smaller"
    add_smaller(folder, metrics, "best", 0.97, 2)
    found = pick(folder)["best accuracy"]
    assert describe_tie(found.chosen, found.tied) is None


def test_an_ineligible_configuration_is_not_tied_with_a_pick(folder, metrics):
    """90.5 and 89.5 % of the dense model's accuracy share a place, but the second keeps too little."""
    for name, sparsity, mean, ratio in (("a", 0.5, 0.905, 4), ("b", 0.9, 0.895, 8)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            axes = {"sparsity": sparsity, "seed": seed}
            add_smaller(folder, metrics, f"{name}{seed}", mean + step, ratio, axes=axes, seed=seed)
    picks = pick(folder)
    assert [one.job.name for one in picks["best accuracy"].tied] == ["b2"]
    assert picks["best compression"].chosen.job.name == "a2"
    assert picks["best compression"].tied == ()


def test_there_is_no_pick_among_runs_on_different_images(folder, metrics):
    for name in ("a", "b"):
        document = metrics()
        document["run"]["data_settings"] = {"fingerprint": name}
        folder.add(name, {"data": name}, metrics=document)
    for one in pick(folder).values():
        assert (one.chosen, one.of_grid, one.tied) == (None, None, ())
        assert one.reason.startswith("the runs have 2 different sets of images")


def test_every_rule_is_documented():
    page = " ".join((ROOT / "docs" / "sweeps.md").read_text().split())
    assert all(f"| {title} |" in page for title in RULES)
    assert f"keep {100 * KEPT:.0f} % of the dense model's accuracy" in page

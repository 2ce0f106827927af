import math

import pytest

from compression.sweep.answer.leaderboard import make_answer
from compression.sweep.answer.picks import balance, describe_tie, make_picks
from compression.sweep.answer.records import read_records

DENSE = 8 * 2**20


def pick(folder):
    return {pick.title: pick for pick in make_picks(make_answer(read_records(folder.path)))}


def add(folder, metrics, name, val, ratio, **more):
    kind = more.pop("kind", "grid")
    axes = more.pop("axes", {"sparsity": name})
    made = metrics(val=val, dense_val=1.0, num_bytes=int(DENSE / ratio), **more)
    folder.add(name, axes, kind=kind, metrics=made)


def test_balance_by_hand():
    """Half of the 10 % spared, and 4x of at most 16x is half in logarithms; their harmonic mean is a half."""
    assert balance(0.95, 4.0, largest=16.0) == pytest.approx(0.5)
    assert balance(1.02, 16.0, largest=16.0) == pytest.approx(1.0)
    assert balance(0.9, 16.0, largest=16.0) == 0.0
    assert balance(0.99, 2.0, largest=8.0) == pytest.approx(2 * 0.9 / 3 / (0.9 + 1 / 3))
    assert balance(0.99, 0.5, largest=0.8) == 0.0


def test_three_picks(folder, metrics):
    """Kept 0.99, 0.97, 0.91 at 2x, 8x, 16x: balances .38, .72, .18; the smallest of all keeps too little."""
    for name, val, ratio in (("a", 0.99, 2), ("b", 0.97, 8), ("c", 0.91, 16), ("d", 0.89, 64)):
        add(folder, metrics, name, val, ratio)
    picks = pick(folder)
    assert {title: one.chosen.job.name for title, one in picks.items()} == {
        "best accuracy": "a",
        "best compression": "c",
        "best balanced": "b",
    }
    assert all(one.of_grid is None for one in picks.values())


def test_picks_look_at_validation_and_not_at_test(folder, metrics):
    add(folder, metrics, "a", 0.95, 4, accuracy=0.99)
    add(folder, metrics, "b", 0.96, 4, accuracy=0.90)
    assert pick(folder)["best accuracy"].chosen.job.name == "b"


def test_without_validation_test_accuracy_decides_and_it_is_said(folder, metrics):
    for name, accuracy in (("a", 0.97), ("b", 0.96)):
        document = metrics(accuracy=accuracy)
        document["run"]["val_accuracy"] = {}
        folder.add(name, {"sparsity": name}, metrics=document)
    answer = make_answer(read_records(folder.path))
    assert not answer.validated
    assert make_picks(answer)[0].chosen.job.name == "a"
    assert answer.configurations[0].drop == pytest.approx(1.0)


def test_a_job_without_validation_is_not_held_against_those_with(folder, metrics):
    add(folder, metrics, "a", 0.9, 4)
    document = metrics(accuracy=1.0)
    document["run"]["val_accuracy"] = {}
    folder.add("b", {"sparsity": "b"}, metrics=document)
    assert [one.job.name for one in make_answer(read_records(folder.path)).configurations] == ["a"]


def test_ties_go_to_the_smaller_file_then_to_the_first_name(folder, metrics):
    for name, ratio in (("z", 4), ("y", 4), ("x", 2)):
        add(folder, metrics, name, 0.95, ratio)
    picks = pick(folder)
    assert [one.chosen.job.name for one in picks.values()] == ["y", "y", "y"]


def test_none_where_all_collapsed(folder, metrics):
    add(folder, metrics, "a", 0.2, 4)
    picks = pick(folder)
    assert picks["best accuracy"].chosen.job.name == "a"
    assert picks["best compression"].chosen is picks["best balanced"].chosen is None
    assert "20.0 %" in picks["best compression"].reason


def test_a_baseline_that_wins_is_picked_and_the_best_of_the_grid_named(folder, metrics):
    add(folder, metrics, "a", 0.95, 4)
    add(folder, metrics, "s", 0.97, 8, kind="small_dense", dense_bytes=DENSE // 4, axes={})
    picks = pick(folder)
    for one in picks.values():
        assert (one.chosen.job.name, one.of_grid.job.name) == ("s", "a")


def test_small_dense_is_held_against_the_grids_dense_model_of_its_seed(folder, metrics):
    for seed, dense_val in ((1, 0.98), (2, 0.90)):
        folder.add(f"g{seed}", {"seed": seed}, metrics=metrics(seed=seed, dense_val=dense_val, dense=0.96))
    small = metrics(seed=2, val=0.88, dense_val=0.89, dense=0.87, accuracy=0.86, dense_bytes=1000, num_bytes=2**20)
    folder.add("s", {"seed": 2}, kind="small_dense", metrics=small)
    one = next(one for one in make_answer(read_records(folder.path)).configurations if one.kind == "small_dense")
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
    [one] = [one for one in make_answer(read_records(folder.path)).configurations if one.is_baseline]
    return one


def test_small_dense_is_held_against_the_job_it_matches(folder, metrics):
    """Trained two epochs as that job was; not against the dense model of thirty, however much larger its file."""
    add_epochs(folder, metrics, 2, 1, 0.8)
    add_epochs(folder, metrics, 30, 1, 0.99, dense_bytes=2 * DENSE)
    one = small_beside(folder, metrics, "e2_1")
    assert one.drop == pytest.approx(2.0)
    assert one.kept == pytest.approx(0.78 / 0.8)
    assert one.dense_bytes == DENSE


def test_small_dense_of_another_seed_is_held_against_the_sibling_of_its_seed(folder, metrics):
    add_epochs(folder, metrics, 2, 1, 0.8)
    add_epochs(folder, metrics, 2, 7, 0.82)
    add_epochs(folder, metrics, 30, 7, 0.99, dense_bytes=2 * DENSE)
    assert small_beside(folder, metrics, "e2_1", seed=7).drop == pytest.approx(4.0)


def test_without_the_job_it_matches_small_dense_is_held_against_one_of_the_same_axes(folder, metrics):
    add_epochs(folder, metrics, 2, 1, 0.8)
    add_epochs(folder, metrics, 30, 1, 0.99, dense_bytes=2 * DENSE)
    assert small_beside(folder, metrics, "gone").drop == pytest.approx(2.0)


def test_a_tie_is_said_and_the_smallest_of_it_named(folder, metrics):
    """Two means a hair apart, and the better has twice the bytes."""
    for name, sparsity, mean, ratio in (("a", 0.5, 0.9505, 4), ("b", 0.9, 0.95, 8)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            axes = {"sparsity": sparsity, "seed": seed}
            add(folder, metrics, f"{name}{seed}", mean + step, ratio, axes=axes, seed=seed)
    found = pick(folder)["best accuracy"]
    assert found.chosen.job.name == "a2"
    expected = "accuracy tied with 1 other within the noise of seeds; the smallest of them is b2, 1.00 MiB"
    assert describe_tie(found.chosen, found.tied) == expected


def test_equal_numbers_of_one_seed_are_a_tie_without_noise(folder, metrics):
    for name, ratio in (("x", 2), ("y", 4), ("z", 3)):
        add(folder, metrics, name, 0.95, ratio)
    found = pick(folder)["best accuracy"]
    assert describe_tie(found.chosen, found.tied) == "accuracy tied with 2 others, none smaller"
    add(folder, metrics, "best", 0.97, 2)
    found = pick(folder)["best accuracy"]
    assert describe_tie(found.chosen, found.tied) is None


def test_what_a_pick_may_not_be_is_not_named_as_tied_with_it(folder, metrics):
    """90.5 and 89.5 % of the dense model's share a place, and the second keeps too little."""
    for name, sparsity, mean, ratio in (("a", 0.5, 0.905, 4), ("b", 0.9, 0.895, 8)):
        for seed, step in enumerate((-0.01, 0.0, 0.01)):
            axes = {"sparsity": sparsity, "seed": seed}
            add(folder, metrics, f"{name}{seed}", mean + step, ratio, axes=axes, seed=seed)
    picks = pick(folder)
    assert [one.job.name for one in picks["best accuracy"].tied] == ["b2"]
    assert picks["best compression"].chosen.job.name == "a2"
    assert picks["best compression"].tied == ()


def test_collapsed_and_random_seeds_are_no_noise_of_the_grid(folder, metrics):
    """Random pruning at 10, 50 and 30 %, and a grid's job as wild: 90 and 60 % of one seed are not the same."""
    for seed, val in enumerate((0.1, 0.5, 0.3)):
        axes = {"sparsity": 0.5, "seed": seed}
        add(folder, metrics, f"r{seed}", val, 4, kind="random", axes=axes, seed=seed)
        add(folder, metrics, f"g{seed}", val, 4, axes={"sparsity": 0.99, "seed": seed}, seed=seed)
    add(folder, metrics, "a", 0.9, 4, axes={"sparsity": 0.5, "seed": 0}, seed=0)
    add(folder, metrics, "b", 0.6, 4, axes={"sparsity": 0.9, "seed": 0}, seed=0)
    answer = make_answer(read_records(folder.path))
    assert [(one.job.name, one.place) for one in answer.configurations[:2]] == [("a", 1), ("b", 2)]
    assert answer.noise is None
    for seed, val in enumerate((0.88, 0.89)):
        add(folder, metrics, f"c{seed}", val, 4, axes={"sparsity": 0.7, "seed": seed}, seed=seed)
    assert make_answer(read_records(folder.path)).noise.freedom == 1


def test_seeds_are_one_configuration_and_the_best_of_them_is_shipped(folder, metrics):
    for seed, val in ((0, 0.94), (1, 0.98), (2, 0.96)):
        folder.add(f"a{seed}", {"sparsity": 0.5, "seed": seed}, metrics=metrics(val=val, accuracy=val - 0.1, seed=seed))
    folder.add("a3", {"sparsity": 0.5, "seed": 3}, status="failed", reason="boom")
    folder.add("b0", {"sparsity": 0.9, "seed": 0}, metrics=metrics(val=0.97, seed=0))
    answer = make_answer(read_records(folder.path))
    first, second = answer.configurations
    assert (first.job.name, second.job.name, second.label) == ("b0", "a1", "s50")
    assert (second.num_jobs, second.num_planned) == (3, 4)
    assert second.score.mean == pytest.approx(0.96)
    assert second.score.half_width == pytest.approx(4.302652729911275 * 0.02 / math.sqrt(3))
    assert second.test.mean == pytest.approx(0.86)
    # 0.01 apart, deviation 0.02 on two degrees of freedom: noise.
    assert [(one.place, one.tied) for one in answer.configurations] == [(1, True), (1, True)]


def test_the_same_seed_twice_is_not_a_sample(folder, metrics):
    for name in ("a", "b"):
        folder.add(name, {"sparsity": 0.5}, metrics=metrics())
    answer = make_answer(read_records(folder.path))
    assert [one.num_jobs for one in answer.configurations] == [1, 1]
    assert [one.num_planned for one in answer.configurations] == [1, 1]


def test_kinds_are_never_one_configuration(folder, metrics):
    for kind in ("grid", "random"):
        folder.add(kind, {"sparsity": 0.5, "seed": 1}, kind=kind, metrics=metrics(seed=1))
    assert {one.label for one in make_answer(read_records(folder.path)).configurations} == {"s50", "random pruning s50"}

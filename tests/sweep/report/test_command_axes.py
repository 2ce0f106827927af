"""Axes of settings that differ between the commands of one folder."""

import json

import pytest

from compression.sweep.jobs import Job
from compression.sweep.report.command_axes import add_command_axes

WITHOUT = ("seed", "name", "hydra")


def read(folder, *jobs):
    """Return the axes of the ``jobs``, each a name and the words of its command, or a Job."""
    made = [job if isinstance(job, Job) else Job(job[0], tuple(job[1].split()), {"seed": 1}) for job in jobs]
    found = add_command_axes(made, folder, without=WITHOUT)
    assert [job.name for job in found] == [job.name for job in made]
    return [{key: value for key, value in job.axes.items() if key != "seed"} for job in found]


def record(folder, name, config, choices=None):
    """Write the configuration that a run leaves in its folder. JSON is YAML."""
    place = folder / name / "config"
    place.mkdir(parents=True)
    (place / "config.yaml").write_text(json.dumps(config))
    (place / "hydra.yaml").write_text(json.dumps({"hydra": {"runtime": {"choices": choices or {}}}}))


def test_jobs_of_one_command_get_no_axes(tmp_path):
    jobs = [
        Job(f"s{sparsity}", (f"sparsity={sparsity}", f"seed={seed}", "threads=1"), {"sparsity": sparsity})
        for sparsity in (0.5, 0.9)
        for seed in (1, 2)
    ]
    assert add_command_axes(jobs, tmp_path, without=WITHOUT) == jobs
    assert add_command_axes([], tmp_path, without=WITHOUT) == []


def test_a_key_with_one_value_in_each_command_is_an_axis(tmp_path):
    """``0.50`` and ``0.5`` are one value, and keys that are left out do not count."""
    found = read(
        tmp_path,
        ("a", "seed=1 training.epochs=1 sparsity=0.5 hydra.job.x=1"),
        ("b", "seed=2 ++training.epochs=8 sparsity=0.50 name=x"),
    )
    assert found == [{"training.epochs": 1}, {"training.epochs": 8}]


def test_a_job_that_leaves_the_key_out_has_the_value_it_recorded(tmp_path):
    record(tmp_path, "a", {"training": {"epochs": 12}, "weight_bits": "${bits}", "bits": 8})
    record(tmp_path, "b", {"training": {"epochs": 8}, "weight_bits": 8, "bits": 8})
    record(tmp_path, "c", {"training": {"epochs": 12}, "weight_bits": 8, "bits": 8})
    found = read(tmp_path, ("a", "bits=8"), ("b", "bits=8 weight_bits=8 training.epochs=8"), ("c", "weight_bits=8"))
    # All have 8 bits, although their commands say it in different words.
    assert found == [{"training.epochs": 12}, {"training.epochs": 8}, {"training.epochs": 12}]


def test_the_default_in_words_is_no_difference(tmp_path):
    for name in ("a", "b"):
        record(tmp_path, name, {"training": {"epochs": 12}, "strategy": {"name": "gmp"}}, {"strategy": "gmp"})
    assert read(tmp_path, ("a", "seed=1"), ("b", "seed=2 training.epochs=12 strategy=gmp")) == [{}, {}]


def test_the_choice_of_a_group_stands_for_what_follows_from_it(tmp_path):
    record(tmp_path, "a", {"strategy": {"name": "gmp", "steps": 9, "lr": 1}}, {"strategy": "gmp", "hydra/help": "x"})
    record(tmp_path, "b", {"strategy": {"name": "one", "steps": 1, "lr": 2}}, {"strategy": "one", "hydra/help": "y"})
    found = read(tmp_path, ("a", "strategy=gmp"), ("b", "strategy=one strategy.lr=2"))
    assert found == [{"strategy": "gmp", "strategy.lr": 1}, {"strategy": "one", "strategy.lr": 2}]


def test_a_preset_stands_for_all_it_sets_and_one_with_a_grid_for_nothing(tmp_path):
    record(tmp_path, "a", {"training": {"epochs": 15}, "data": {"size": 32}}, {"experiment": "mine"})
    record(tmp_path, "b", {"training": {"epochs": 12}, "data": {"size": 64}}, {"experiment": None})
    assert read(tmp_path, ("a", "experiment=mine"), ("b", "seed=2")) == [{"experiment": "mine"}, {"experiment": None}]
    for name, epochs in (("c", 15), ("d", 12), ("e", 12)):
        record(tmp_path, name, {"training": {"epochs": epochs}}, {"sweep": "quick"} if epochs == 15 else {})
    found = read(tmp_path, ("c", "+sweep=quick seed=1"), ("d", "seed=2"), ("e", "+sweep=seeds seed=3"))
    assert found == [{"training.epochs": 15}, {"training.epochs": 12}, {"training.epochs": 12}]


def test_a_key_that_another_version_did_not_record_is_no_difference(tmp_path):
    record(tmp_path, "a", {"training": {"epochs": 1}})
    record(tmp_path, "b", {"training": {"epochs": 8, "monitor": "auto"}})
    assert read(tmp_path, ("a", "training.epochs=1"), ("b", "training.epochs=8")) == [
        {"training.epochs": 1},
        {"training.epochs": 8},
    ]


def test_random_jobs_differ_in_the_name_of_their_strategy(tmp_path):
    """One strategy is random from the start; of the other, the criterion was replaced."""
    random = ("strategy.criterion._target_=Random", "~strategy.criterion.power")
    jobs = [
        Job("r", ("strategy=gmp", "strategy.name=gmp_random", *random, "strategy.regrowth=null"), {}, kind="random"),
        Job("q", ("strategy=oneshot_l1", "strategy.name=oneshot_random", *random), {}, kind="random"),
        Job("p", ("strategy=oneshot_l2", "strategy.name=oneshot_random", *random), {}, kind="random"),
    ]
    assert read(tmp_path, *jobs) == [{"strategy": f"{name}_random"} for name in ("gmp", "oneshot", "oneshot")]


def test_random_jobs_get_the_axes_of_the_grid_and_small_dense_ones_none(tmp_path):
    jobs = [
        Job(f"{kind}{epochs}", ("strategy.name=x", f"training.epochs={epochs}"), {}, kind=kind)
        for kind in ("grid", "random", "small_dense")
        for epochs in (1, 8)
    ]
    assert read(tmp_path, *jobs) == [*[{"training.epochs": 1}, {"training.epochs": 8}] * 2, {}, {}]


def test_an_axis_keeps_its_value(tmp_path):
    jobs = [Job("a", ("sparsity=0.5",), {"sparsity": 0.5}), Job("b", ("training.epochs=8", "sparsity=0.9"), {})]
    assert read(tmp_path, *jobs) == [{"sparsity": 0.5}, {"training.epochs": 8, "sparsity": 0.9}]


@pytest.mark.parametrize("text", ["", "[1]", "a: [", "\x00", "a: ${b}"])
def test_a_damaged_configuration_is_none(tmp_path, text):
    (tmp_path / "a" / "config").mkdir(parents=True)
    for name in ("config.yaml", "hydra.yaml"):
        (tmp_path / "a" / "config" / name).write_text(text)
    assert read(tmp_path, ("a", "seed=1"), ("b", "a=1"))[1] == {"a": 1}

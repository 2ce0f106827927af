import pytest

from compression.sweep.command_words import expand_folds, lead_with_multirun, order_words


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["data.folds=3"], ["--multirun", "data.folds=3", "data.fold=1,2,3"]),
        (["a=1", "data.folds=2", "b=2,3"], ["--multirun", "a=1", "data.folds=2", "data.fold=1,2", "b=2,3"]),
        (["-m", "data.folds=2"], ["-m", "data.folds=2", "data.fold=1,2"]),
        (["data.folds=2", "--multirun"], ["data.folds=2", "data.fold=1,2", "--multirun"]),
        (["data.folds=9", "data.folds=2"], ["--multirun", "data.folds=9", "data.folds=2", "data.fold=1,2"]),
    ],
)
def test_a_number_of_folds_alone_is_a_sweep(words, expected):
    assert expand_folds(["train.py", *words]) == ["train.py", *expected]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["sparsity=0.9"],
        # One fold, as a job of the sweep runs it.
        ["data.folds=3", "data.fold=2"],
        ["data.folds=3", "--cfg", "job"],
        ["--help", "data.folds=3"],
        # These are refused later, with all other checks.
        ["data.folds=null"],
        ["data.folds=1"],
        ["data.folds=many"],
        ["data.folds=3,5"],
    ],
)
def test_other_commands_stay(words):
    assert expand_folds(["train.py", *words]) == ["train.py", *words]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["a=1", "-m", "b=2,3"], ["-m", "a=1", "b=2,3"]),
        (["a=1", "--multirun", "b=2,3", "-m"], ["--multirun", "a=1", "b=2,3"]),
        (["-m", "b=2,3"], ["-m", "b=2,3"]),
        (["a=1", "b=2,3", "-m"], ["-m", "a=1", "b=2,3"]),
        (["a=1", "--cfg", "job"], ["a=1", "--cfg", "job"]),
        ([], []),
    ],
)
def test_the_flag_of_a_sweep_may_stand_anywhere(words, expected):
    assert lead_with_multirun(["train.py", *words]) == ["train.py", *expected]


def test_folds_of_a_sweep_with_a_misplaced_flag():
    command = ["train.py", "data.folds=2", "-m", "seed=1,2"]
    assert order_words(command) == ["train.py", "-m", "data.folds=2", "data.fold=1,2", "seed=1,2"]

import pytest

from compression.sweep.fold_arguments import expand_folds


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

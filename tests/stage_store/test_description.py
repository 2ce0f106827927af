from pathlib import Path

import pytest

from compression.stage_store.description import describe_stages
from compression.stage_store.entries import Entry


def entry(stage, stage_id, *, parents=(), **inputs):
    record = {"key": {"stage": stage, "version": 1, "inputs": inputs, "parents": list(parents)}}
    return Entry(Path(f"{stage}-{stage_id}"), stage, stage_id, "finished", 10, used=0.0, made=0.0, record=record)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"data": {"_target_": "compression.data.digits.Digits"}}, {"data": "digits"}),
        ({"model": {"target": "a.net.make_net"}}, {"model": "make_net"}),
        ({"strategy": {"criterion": {"_target_": "a.random_.Random"}}}, {"strategy": "random"}),
        (
            {"strategy": {"schedule": {"_target_": "a.cubic.Cubic"}, "criterion": {"_target_": "a.taylor.Taylor"}}},
            {"strategy": "taylor/cubic"},
        ),
        ({"sparsity": 0.875}, {"sparsity": "s87.5"}),
        ({"sparsity": 0}, {"sparsity": "s0"}),
        ({"sparsity": [0.5]}, {}),
        ({"bits": [4, 8]}, {"bits": "w4 a8"}),
        ({"bits": [4]}, {}),
        ({"quantization": {"name": "qat"}}, {"quantization": "qat"}),
        ({"distillation": {}}, {"distillation": "distilled"}),
        ({"training": {"epochs": 1}, "seed": 3}, {"epochs": "1 epoch", "seed": "seed 3"}),
        ({"training": {"epochs": 20}}, {"epochs": "20 epochs"}),
        ({"something": "else"}, {}),
    ],
)
def test_words_by_hand(inputs, words):
    assert describe_stages([entry("dense", "d", **inputs)]) == {"d": words}


def test_only_stages_that_train_a_model_from_scratch_have_epochs():
    found = describe_stages([entry(stage, stage, training={"epochs": 5}) for stage in ("dense", "distil", "prune")])
    assert found == {"dense": {"epochs": "5 epochs"}, "distil": {"epochs": "5 epochs"}, "prune": {}}


def test_a_stage_inherits_the_words_of_its_parents_and_its_own_win():
    stages = [
        entry("quantize", "q", parents=["p"], bits=[4, 8]),
        entry("prune", "p", parents=["d"], sparsity=0.5, seed=8),
        entry("dense", "d", data={"_target_": "a.digits.Digits"}, seed=7),
    ]
    found = describe_stages(stages)
    assert list(found["q"].items()) == [("data", "digits"), ("sparsity", "s50"), ("bits", "w4 a8"), ("seed", "seed 8")]
    assert found["d"] == {"data": "digits", "seed": "seed 7"}
    # The order of the entries does not matter.
    assert describe_stages(reversed(stages)) == found


def test_a_removed_parent_contributes_no_words():
    assert describe_stages([entry("prune", "p", parents=["gone"], sparsity=0.5)]) == {"p": {"sparsity": "s50"}}


def test_a_stage_without_a_record_has_no_words():
    interrupted = Entry(Path("dense-d.partial"), "dense", "d", "interrupted", 10, used=0.0, made=0.0)
    assert describe_stages([interrupted]) == {}

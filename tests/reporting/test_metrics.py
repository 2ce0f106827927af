import json

import pytest

from compression.reporting.metrics import SCHEMA_VERSION, collect_numbers, make_metrics


def make(evaluated):
    return make_metrics(
        run={"name": "r", "seed": 42},
        evaluated=evaluated,
        stage_seconds={"dense": 3.0, "prune": 2.0},
        provenance={"finished": "now", "machine": {"cores": 2}},
    )


def test_keys_are_stable(evaluated):
    metrics = make(evaluated)
    assert list(metrics) == [
        "schema_version",
        "run",
        "dense",
        "compressed",
        "improvement",
        "warnings",
        "pruning_history",
        "compaction",
        "quantization",
        "failure_modes",
        "timing",
        "provenance",
    ]
    assert metrics["schema_version"] == SCHEMA_VERSION == 3
    assert metrics["timing"]["stage_seconds"] == {"dense": 3.0, "prune": 2.0}
    assert metrics["timing"]["threads"] == 2


def test_figures_by_class_join_their_model_and_warnings_stand_together(evaluated):
    classes = {"dense": {"scores": {"accuracy": 1.0}, "warnings": ["first"]}, "compressed": {"warnings": ["second"]}}
    metrics = make_metrics(run={}, evaluated=evaluated, classes=classes, stage_seconds={}, provenance={})
    assert metrics["dense"]["scores"] == {"accuracy": 1.0}
    assert metrics["warnings"] == ["first", "second"]
    assert "warnings" not in metrics["dense"]


def test_improvement_by_hand(evaluated):
    improvement = make(evaluated)["improvement"]
    assert improvement == pytest.approx(
        {
            "accuracy_points": -1.5,
            "compression_ratio": 8.0,
            "gzip_ratio": 5.0,
            "nonzero_ratio": 8.0,
            "macs_ratio": 2.0,
            "nonzero_macs_ratio": 16.0,
        }
    )


def test_ratio_is_of_the_plain_dense_file_to_the_artifact(evaluated):
    """The artifact of the dense model may be smaller than its state dict, but ratios do not refer to it."""
    evaluated["dense"]["bytes"]["artifact"] = 1
    assert make(evaluated)["improvement"]["compression_ratio"] == 8


def test_a_larger_file_is_a_ratio_below_one(evaluated):
    evaluated["compressed"]["bytes"]["artifact"] = 2**24
    assert make(evaluated)["improvement"]["compression_ratio"] == 0.5


def test_json_round_trip(evaluated):
    metrics = make(evaluated)
    assert json.loads(json.dumps(metrics)) == metrics


def test_numbers_of_a_document():
    document = {
        "a": 1,
        "b": {"c": 2.5, "d": {"e": -3}, "empty": {}},
        "name": "text",
        "flag": True,
        "none": None,
        "list": [1, 2],
    }
    assert collect_numbers(document) == {"a": 1, "b/c": 2.5, "b/d/e": -3}
    assert collect_numbers({}) == {}


def test_numbers_of_a_run(evaluated):
    numbers = collect_numbers(make(evaluated))
    assert numbers["compressed/bytes/artifact"] == 2**20
    assert numbers["compressed/accuracy_per_class/dog"] == 0.96
    assert all(type(value) in (int, float) for value in numbers.values())

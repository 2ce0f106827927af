import json

import pytest
from sample_predictions import random_predictions, related_predictions

from compression.reporting.failure_record import make_failure_record, summarize_failures


@pytest.fixture
def pair():
    dense = random_predictions(images=300, classes=10)
    return {"dense": dense, "compressed": related_predictions(dense, noise=1.5)}


def test_two_models_have_a_change(pair):
    layers = [{"name": "a", "snr_db": 3.0}, {"name": "b", "snr_db": None, "reason": "its output is the same"}]
    record = make_failure_record(pair, held_out=pair, layers=layers)
    assert list(record["models"]) == ["dense", "compressed"]
    assert record["models"]["dense"]["confidence"]["temperature"] > 0
    assert record["change"]["worsened"] > record["change"]["improved"]
    summary = summarize_failures(record)
    assert set(summary) == {"dense", "compressed", "change", "layers", "robustness"}
    assert summary["dense"]["accuracy"]["value"] == pair["dense"].correct.mean()
    assert summary["change"]["verdict"] == record["change"]["verdict"]
    assert 1 <= len(summary["change"]["classes"]) <= 3
    assert summary["layers"] == [{"name": "a", "snr_db": 3.0}]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


def test_one_model_has_none(pair):
    record = make_failure_record({"model": pair["dense"]})
    assert (record["change"], record["layers"], record["robustness"]) == (None, None, None)
    assert record["models"]["model"]["confidence"]["temperature"] is None
    summary = summarize_failures(record)
    assert (summary["change"], summary["layers"]) == (None, None)

"""The values that a ``metrics.json`` may have."""

import math
import re

import pytest
from sweep_folders import make_metrics

from compression.reporting.metrics_reader import read_measured


@pytest.mark.parametrize(
    ("side", "key", "value", "message"),
    [
        ("compressed", "accuracy", 1.5, "compressed.accuracy=1.5: must be a number <= 1.0"),
        ("compressed", "accuracy", math.nan, "compressed.accuracy=nan: must be a number >= 0.0"),
        ("compressed", "accuracy", True, "compressed.accuracy=True: must be a number"),
        ("compressed", "macs", 0, "compressed.macs=0: must be an integer >= 1"),
        ("dense", "bytes", {}, "dense.bytes.safetensors is missing"),
        ("run", "seed", 1.5, "run.seed=1.5: must be an integer or none"),
    ],
)
def test_a_wrong_value_is_named(side, key, value, message):
    document = make_metrics()
    document[side][key] = value
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_measured(document)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "must be a mapping, not a list"),
        ({}, "schema_version is missing"),
        ({"schema_version": None}, "schema_version=None: must be an integer"),
        ({"schema_version": 0}, "schema_version=0: must be an integer >= 1"),
        ({"schema_version": 99}, "schema_version=99: is newer than 3, the newest this version reads"),
        ({"schema_version": 3, "run": []}, "run=[]: must be a mapping"),
    ],
)
def test_anything_but_a_document_of_a_run_is_refused(document, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_measured(document)
    assert str(caught.value) == message

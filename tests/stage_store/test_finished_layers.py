import json
import time

import pytest

from compression.stage_store.finished_layers import FinishedLayers


def test_rows_and_seconds_of_a_killed_attempt_stay(tmp_path, monkeypatch):
    (tmp_path / "resume").mkdir()
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    first = FinishedLayers(tmp_path)
    assert (first.rows, first.earlier_seconds) == ({}, 0)
    now = 103.0
    first.add("a", {"0.5": 0.25})
    now = 200.0
    second = FinishedLayers(tmp_path)
    assert (second.rows, second.earlier_seconds) == ({"a": {"0.5": 0.25}}, pytest.approx(3))
    now = 201.0
    second.add("b", {"0.5": 0.75})
    kept = json.loads((tmp_path / "resume" / "layers.json").read_text())
    assert list(kept["rows"]) == ["a", "b"]
    assert kept["seconds"] == pytest.approx(4)

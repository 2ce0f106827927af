import json

import pytest
from sweep_folders import render_result

from compression.sweep.report.sweep_report import aggregate


@pytest.mark.usefixtures("without_pictures")
def test_latencies_are_those_of_the_fastest_engine_by_name(folder, metrics):
    document = metrics(milliseconds=0.5, num_bytes=2**18)
    for entry in document["timing"]["latency"]:
        if entry["engine"] == "openvino" and entry["batch_size"] == 1:
            entry["engine"], entry["compressed"]["latency_ms"]["median"] = "sparse", 0.2
    folder.add("a", {"sparsity": 0.5}, metrics=metrics(val=0.98, milliseconds=0.5))
    folder.add("b", {"sparsity": 0.9}, metrics=document)
    result = aggregate(folder.path)
    report = (folder.path / "report.md").read_text()
    assert "front against latency in the fastest engine (sparse, onnxruntime): s90, s50" in report
    found = json.loads((folder.path / "results.json").read_text())["leaderboard"]
    assert {one["ship"]: (one["latency_ms"], one["latency_engine"]) for one in found} == {
        "a": (0.5, "onnxruntime"),
        "b": (0.2, "sparse"),
    }
    assert "| 0.2 | sparse |" in report
    assert "0.2 ms (sparse)" in render_result(result, width=300)


def test_a_loss_is_named_after_what_is_lost(folder, metrics):
    found = metrics(accuracy=0.9, dense=0.98)
    for part, score in (("dense", 0.95), ("compressed", 0.85)):
        scores = {"accuracy": found[part]["accuracy"], "balanced_accuracy": score, "macro_f1": 0.5}
        found[part] |= {"scores": scores, "val_scores": scores}
    found["run"]["monitor"] = "balanced_accuracy"
    folder.add("a", {"sparsity": 0.5}, metrics=found)
    aggregate(folder.path)
    document = json.loads((folder.path / "results.json").read_text())
    assert document["jobs"][0]["drop_points"] == pytest.approx(8)
    assert document["leaderboard"][0]["score_drop_points"] == pytest.approx(10)

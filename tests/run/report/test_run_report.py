import json

from runs import TINY, run_here


def test_without_compression_the_one_export_counts_once(tmp_path):
    """The dense and the compressed model are the same stage then."""
    run_here(*TINY, "strategy=none", "training.epochs=1", run_dir=tmp_path / "run", output_dir=tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    [export] = (tmp_path / "store").glob("export-*/stage.json")
    assert metrics["timing"]["stage_seconds"]["export"] == json.loads(export.read_text())["seconds"]
    assert list(metrics["run"]["stages"]) == ["dense", "export"]
    assert metrics["run"]["stages"]["export"] == export.parent.name.rpartition("-")[2]
    assert (tmp_path / "run" / "model.onnx").read_bytes() == (tmp_path / "run" / "dense.onnx").read_bytes()

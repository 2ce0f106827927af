import json

from runs import TINY, run_here


def test_the_export_is_counted_once_without_compression(tmp_path):
    """Without compression, the dense and the compressed model are one export stage."""
    run_here(*TINY, "strategy=none", "training.epochs=1", run_dir=tmp_path / "run", output_dir=tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    [export] = (tmp_path / "store").glob("export-*/stage.json")
    assert metrics["timing"]["stage_seconds"]["export"] == json.loads(export.read_text())["seconds"]
    assert list(metrics["run"]["stages"]) == ["dense", "export"]
    assert metrics["run"]["stages"]["export"] == export.parent.name.rpartition("-")[2]
    assert (tmp_path / "run" / "model.onnx").read_bytes() == (tmp_path / "run" / "dense.onnx").read_bytes()

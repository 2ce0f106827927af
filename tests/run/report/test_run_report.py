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


def test_report_and_metrics_have_the_bytes_by_purpose(tmp_path):
    run_here(*TINY, "strategy=oneshot_l1", "training.epochs=1", run_dir=tmp_path / "run", output_dir=tmp_path)
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    for side in ("dense", "compressed"):
        assert sum(metrics[side]["bytes"]["parts"].values()) == metrics[side]["bytes"]["artifact"]
    assert "## Bytes of model.cmp" in (tmp_path / "run" / "report.md").read_text()
    card = (tmp_path / "run" / "model_card.md").read_text()
    assert f"{metrics['compressed']['bytes']['artifact']:,} bytes" in card


def test_pictures_are_drawn_again_after_another_run_in_the_folder(tmp_path):
    def run():
        command = (*TINY, "strategy=oneshot_l1", "training.epochs=1")
        run_here(*command, run_dir=tmp_path / "run", output_dir=tmp_path)
        return picture.exists()

    picture, metrics = (tmp_path / "run" / name for name in ("pictures/layer_sparsity.png", "metrics.json"))
    assert run()
    picture.unlink()
    assert not run(), "a run that found everything draws nothing"
    other = json.loads(metrics.read_text())
    other["run"]["stages"]["prune"] = "another"
    metrics.write_text(json.dumps(other))
    assert run()


def test_pictures_of_the_overwritten_run_are_removed(tmp_path):
    folder = tmp_path / "run"
    run_here(*TINY, "strategy=oneshot_l1", "training.epochs=1", run_dir=folder, output_dir=tmp_path)
    own = folder / "pictures" / "mine.png"
    own.write_bytes((folder / "pictures" / "layer_sparsity.png").read_bytes())
    run_here(*TINY, "strategy=none", "training.epochs=1", "overwrite=true", run_dir=folder, output_dir=tmp_path)
    assert [path.name for path in (folder / "pictures").iterdir()] == ["mine.png"]
    assert not (folder / "pruning_history.yaml").exists()
    assert "Weights before and after" not in (folder / "report.html").read_text()


def test_the_analysis_of_the_overwritten_run_is_removed(tmp_path):
    folder, command = tmp_path / "run", (*TINY, "training.epochs=1", "analysis=none")
    run_here(*TINY, "strategy=oneshot_l1", "training.epochs=1", run_dir=folder, output_dir=tmp_path)
    run_here(*command, "strategy=oneshot_l1", run_dir=folder, output_dir=tmp_path)
    assert (folder / "failure_analysis" / "failure_modes.json").exists(), "it is of the same model"
    run_here(*command, "strategy=none", run_dir=folder, output_dir=tmp_path)
    assert not (folder / "failure_analysis").exists()

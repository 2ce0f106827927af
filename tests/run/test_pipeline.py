"""Whole runs on real digits, with a tiny network."""

import json
from pathlib import Path

import onnxruntime
import pytest
import torch
from runs import TINY, WIDE, compose_config, lasting, run_here
from teachers import STUDENT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import compression
from compression.config.schema import MEASURING, STAGES
from compression.core.counting import model_sparsity
from compression.core.errors import InputError
from compression.run.building.network_files import load_network
from compression.run.pipeline import plan_stages, run, run_stages
from compression.runtimes.engines import choose_engines

SHORT = (*TINY, "strategy.schedule.steps=2")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of one finished run, ``first``."""
    outputs = tmp_path_factory.mktemp("outputs")
    run_here(*SHORT, "sparsity=0.7", run_dir=outputs / "first", output_dir=outputs)
    return outputs


def stages(outputs: Path) -> dict[str, int]:
    """Return the number of finished stages of each kind in the store."""
    names = [path.parent.name.rsplit("-", 1)[0] for path in (outputs / "store").glob("*/stage.json")]
    return {name: names.count(name) for name in sorted(set(names))}


def test_a_run_writes_its_files_and_cleans_the_store(finished: Path) -> None:
    files = {path.name for path in (finished / "first").iterdir()}
    assert {"model.cmp", "model.onnx", "dense.safetensors", "dense.onnx", "metrics.json", "report.md"} <= files
    assert {"pruning_history.yaml", "pictures", "failure_analysis"} <= files
    assert stages(finished) == {"analyze": 1, "compact": 1, "dense": 1, "evaluate": 1, "export": 2, "prune": 1}
    assert not list((finished / "store").glob("*.partial"))
    assert not list((finished / "store").glob("*/resume"))


def test_metrics_agree_with_the_files(finished: Path) -> None:
    metrics = json.loads((finished / "first" / "metrics.json").read_text())
    artifact = finished / "first" / "model.cmp"
    model = compression.load(artifact, allow=["tiny_net"])
    total = sum(w.numel() for n, w in model.named_parameters() if n.endswith("weight") and w.ndim > 1)
    assert model_sparsity(model) == metrics["compressed"]["sparsity"] == 1 - (total - round(0.7 * total)) / total
    assert metrics["compressed"]["bytes"]["artifact"] == artifact.stat().st_size
    dense_bytes = (finished / "first" / "dense.safetensors").stat().st_size
    assert metrics["dense"]["bytes"]["safetensors"] == dense_bytes
    assert metrics["improvement"]["compression_ratio"] == dense_bytes / artifact.stat().st_size
    assert metrics["dense"]["test_images"] == 360
    per_class = metrics["dense"]["accuracy_per_class"]
    assert list(per_class) == [str(digit) for digit in range(10)]
    assert set(metrics["timing"]["stage_seconds"]) == {"dense", "prune", "compact", "export", "evaluate", "analyze"}
    # Ids of measurements depend on the machine, so they are not among the settings.
    assert set(metrics["run"]["stages"]) == {"dense", "prune", "compact", "export"}
    engines = {(entry["engine"], entry["batch_size"]) for entry in metrics["timing"]["latency"]}
    chosen, left_out = choose_engines(["auto"])
    assert engines == {(engine, size) for engine in chosen for size in (1, 64)}
    assert metrics["timing"]["left_out"] == left_out
    assert torch.__version__.startswith(metrics["provenance"]["software"]["torch"])


def test_the_same_command_again_trains_nothing(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "store").glob("*/stage.json")}
    curves = sorted((finished / "first").glob("tensorboard/*/events*"))
    run_here(*SHORT, "sparsity=0.7", run_dir=finished / "first", output_dir=finished)
    assert {path: path.stat().st_mtime_ns for path in (finished / "store").glob("*/stage.json")} == before
    # The curves of training stay. Only the row of the run is written again.
    kept = [path for path in curves if path.parent.name != "result"]
    assert {path.parent.name for path in kept} >= {"dense", "prune"}
    assert all(path.exists() for path in kept)


def test_another_sparsity_reuses_the_dense_model(finished: Path) -> None:
    run_here(*SHORT, "sparsity=0.5", "until=compact", run_dir=finished / "second", output_dir=finished)
    assert stages(finished) == {"analyze": 1, "compact": 2, "dense": 1, "evaluate": 1, "export": 3, "prune": 2}
    # The second run found the dense stage finished. It has the curves as well.
    assert list((finished / "second" / "tensorboard" / "dense").iterdir())


def test_two_runs_of_one_command_are_identical(finished: Path, tmp_path: Path) -> None:
    run_here(*SHORT, "sparsity=0.7", run_dir=tmp_path / "first", output_dir=tmp_path)
    assert lasting(tmp_path / "first" / "metrics.json") == lasting(finished / "first" / "metrics.json")
    for name in ("model.cmp", "model.onnx", "dense.safetensors"):
        assert (tmp_path / "first" / name).read_bytes() == (finished / "first" / name).read_bytes()


def test_another_seed_trains_another_model(finished: Path, tmp_path: Path) -> None:
    run_here(*SHORT, "sparsity=0.7", "seed=7", "until=dense", run_dir=tmp_path / "seed", output_dir=finished)
    assert stages(finished)["dense"] == 2


WHOLE = ("dense", "compact", "evaluate")


@pytest.mark.parametrize(
    "until", [pytest.param(stage, marks=() if stage in WHOLE else pytest.mark.slow) for stage in STAGES]
)
def test_until_stops_after_its_stage(until: str, finished: Path, tmp_path: Path) -> None:
    run_here(*SHORT, "sparsity=0.7", f"until={until}", run_dir=tmp_path / "run", output_dir=finished)
    assert (tmp_path / "run" / "metrics.json").exists() == (until in MEASURING)
    assert (tmp_path / "run" / "failure_analysis").exists() == (until == "analyze")
    assert {"model.cmp", "model.onnx", "dense.safetensors"} <= {path.name for path in (tmp_path / "run").iterdir()}


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of the models and results in the folder of a run, by name."""
    left_out = {".lock", "stages.txt"}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name not in left_out}


def test_a_part_of_a_finished_run_keeps_its_model_and_results(
    finished: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "run"
    run_here(*SHORT, "sparsity=0.7", run_dir=folder, output_dir=finished)
    before = read_files(folder)
    caplog.set_level("INFO")
    # The model before the channels are removed is another file.
    run_here(*SHORT, "sparsity=0.7", "until=dense", run_dir=folder, output_dir=finished)
    assert read_files(folder) == before
    assert f"stopped, because until=dense; {folder} keeps the model of its finished run" in caplog.text


def test_a_part_of_another_run_removes_results_that_describe_other_models(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run_here(*SHORT, "sparsity=0.7", run_dir=folder, output_dir=finished)
    before = read_files(folder)
    run_here(*SHORT, "sparsity=0.5", "until=prune", run_dir=folder, output_dir=finished)
    after = read_files(folder)
    assert after["model.cmp"] != before["model.cmp"]
    assert {"model.cmp", "model.onnx", "dense.safetensors"} <= after.keys()
    assert not {"metrics.json", "report.md", "report.html", "model_card.md", "dense.onnx"} & after.keys()
    assert not (folder / "failure_analysis").exists()
    assert not (folder / "pictures").exists()


# The network before and after fine-tuning, the integers, and the student's dense teacher.
STRUCTURED = "strategy=oneshot_structured_l2 sparsity=0.5 strategy.recovery.epochs=0 strategy.finetune.epochs=1"


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        ("strategy=oneshot_l1 strategy.recovery.epochs=0 sparsity=0.5", "dense"),
        ("strategy=oneshot_l1 strategy.recovery.epochs=0 sparsity=0.5", "prune"),
        (STRUCTURED, "compact"),
        (STRUCTURED, "finetune"),
        ("strategy=none bits=8", "quantize"),
        ("strategy=none", "export"),
        (f"distillation=logit {STUDENT} distillation.epochs=1 strategy=none", "dense"),
    ],
)
def test_until_leaves_the_model_of_its_stage(command: str, stage: str, outputs: Path, tmp_path: Path) -> None:
    config = compose_config(*WIDE, *command.split(), f"until={stage}", f"output_dir={outputs}")
    folder = tmp_path / "run"
    run(config, run_dir=folder)
    context, records = run_stages(config, run_dir=tmp_path / "again")
    record = records[stage if stage != "export" else "dense"]
    network = load_network(context, record).eval()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = network(images)
        found = compression.load(folder / "model.cmp", allow=["tiny_net"]).eval()(images)
    assert torch.allclose(found, expected, atol=1e-4)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    onnx_file = torch.from_numpy(session.run(None, {session.get_inputs()[0].name: images.numpy()})[0])
    assert (onnx_file.argmax(1) == expected.argmax(1)).all()


def test_the_plan_of_a_part_counts_the_export_of_its_model(trained: Path, tmp_path: Path) -> None:
    command = (*WIDE, "strategy=oneshot_l1", "sparsity=0.4", "until=prune", f"output_dir={trained}")
    made = plan_stages(compose_config(*command), run_dir=tmp_path / "run")
    assert {name: record.planned for name, record in made.items()} == {"dense": False, "prune": True, "export": True}


def test_overwrite_makes_every_stage_again_once(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPRESSION_INVOCATION", "one command")
    overwrite = (*SHORT, "sparsity=0.7", "overwrite=true", "until=prune")
    marks = [path for path in (finished / "store").glob("*/stage.json") if path.parent.name[:5] in ("dense", "prune")]
    before = {path: path.stat().st_mtime_ns for path in marks}
    run_here(*overwrite, run_dir=tmp_path / "one", output_dir=finished)
    after = {path: path.stat().st_mtime_ns for path in marks}
    remade = {path for path in marks if before[path] != after[path]}
    assert len(remade) == 2
    run_here(*overwrite, run_dir=tmp_path / "one", output_dir=finished)
    assert {path: path.stat().st_mtime_ns for path in marks} == after


def test_given_weights_replace_dense_training(finished: Path, tmp_path: Path) -> None:
    given = finished / "first" / "dense.safetensors"
    run_here(*TINY, f"model.weights={given}", "strategy=none", run_dir=tmp_path / "given", output_dir=tmp_path)
    before = json.loads((finished / "first" / "metrics.json").read_text())["dense"]
    after = json.loads((tmp_path / "given" / "metrics.json").read_text())["dense"]
    assert after == before


def test_a_folded_artifact_is_refused_as_given_weights(finished: Path, tmp_path: Path) -> None:
    artifact = finished / "first" / "model.cmp"
    with pytest.raises(InputError, match=r"has its batch norm folded; allowed: .*storage\.fold_bn=false"):
        run_here(*SHORT, f"model.weights={artifact}", run_dir=tmp_path / "again", output_dir=tmp_path)


@pytest.mark.slow
def test_a_given_artifact_replaces_dense_training(finished: Path, tmp_path: Path) -> None:
    command = (*SHORT, "sparsity=0.7", "storage.fold_bn=false", "until=export", f"output_dir={finished}")
    _, records = run_stages(compose_config(*command), run_dir=tmp_path / "whole")
    artifact = records["export"].path / "model.cmp"
    run_here(*SHORT, f"model.weights={artifact}", "until=dense", run_dir=tmp_path / "again", output_dir=tmp_path)


def test_weights_that_do_not_fit_are_refused_before_training(finished: Path, tmp_path: Path) -> None:
    given = finished / "first" / "dense.safetensors"
    with pytest.raises(InputError, match=r"features\.0\.weight"):
        run_here(*SHORT, "+model.width=16", f"model.weights={given}", run_dir=tmp_path / "x", output_dir=tmp_path)
    assert not (tmp_path / "store").exists()


def test_two_four_keeps_2_of_4_weights(finished: Path, tmp_path: Path) -> None:
    tiny = list(TINY)
    command = (*tiny, "strategy=two_four", "until=prune", f"output_dir={finished}")
    _, records = run_stages(compose_config(*command), run_dir=tmp_path / "run")
    file = records["prune"].path / "steps" / "01.cmp"
    weight = compression.load(file, allow=["tiny_net"]).get_parameter("features.3.weight")
    kept = (weight != 0).view(16, 2, 4, 3, 3).sum(2)
    assert (kept == 2).all()


def test_the_csv_logger_writes_one_row_per_epoch(finished: Path, tmp_path: Path) -> None:
    run_here(*SHORT, "sparsity=0.7", "logger=csv", "until=dense", run_dir=tmp_path / "run", output_dir=finished)
    table = (tmp_path / "run" / "csv" / "dense" / "metrics.csv").read_text().splitlines()
    assert "val/accuracy" in table[0]
    assert len(table) == 1 + 3


@pytest.mark.slow
def test_the_wandb_logger_works_offline(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="comes with the extra wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    run_here(*SHORT, "sparsity=0.7", "logger=wandb", run_dir=tmp_path / "run", output_dir=finished)
    from wandb_files import read_runs

    # One run, though the stages were found finished and each has curves.
    [run] = read_runs(tmp_path / "run")
    assert [len(run.curve(f"{stage}/val/accuracy")) for stage in ("dense", "prune")] == [3, 2]
    assert len(run.curve("prune/sparsity")) == 2
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert run.summary["accuracy"] == metrics["compressed"]["accuracy"]
    assert (run.config["sparsity"], run.config["weight_bits"], run.config["activation_bits"]) == (0.7, 32, 32)
    pictures = {name for row in run.history for name in row if name.startswith("pictures/")}
    assert {"pictures/first_filters/path", "pictures/confusion_matrix/path"} <= pictures


def test_tensorboard_has_curves_layer_sparsities_and_the_result_table(finished: Path) -> None:
    folder = finished / "first" / "tensorboard"
    dense, prune, summary = (EventAccumulator(str(folder / name)).Reload() for name in ("dense", "prune", "summary"))
    assert len(dense.Scalars("val/accuracy")) == 3
    assert [round(point.value, 2) for point in prune.Scalars("sparsity")] == [0.45, 0.7]
    assert len(prune.Scalars("sparsity/features.0.weight")) == 2
    metrics = json.loads((finished / "first" / "metrics.json").read_text())
    [accuracy] = summary.Scalars("compressed/accuracy")
    assert accuracy.value == pytest.approx(metrics["compressed"]["accuracy"])
    [table] = summary.Tensors("result/text_summary")
    assert b"test accuracy" in table.tensor_proto.string_val[0]


@pytest.mark.slow
def test_every_strategy_composes() -> None:
    for path in (Path(__file__).parents[2] / "conf" / "strategy").glob("*.yaml"):
        assert compose_config(f"strategy={path.stem}").strategy.name == path.stem

"""A grey network from a folder of photographs that are not square to integers, every engine and C."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from c_programs import compile_c, run_program
from onnx_properties import read_metadata
from PIL import Image
from runs import TINY, compose_config, run_here
from safetensors.torch import load_file
from small_files import run

from compression.artifact import load_artifact
from compression.core.preparation import Preparation
from compression.run.context import make_context

# Robustness writes images as JPEG.
pytestmark = pytest.mark.filterwarnings("ignore:.*TorchVision are deprecated:DeprecationWarning")

PAD = Preparation(channels=1, fit="pad", background=(255, 255, 255))
GREY = ("data=image_folder", "data.channels=1", "data.image_size=16", "data.batch_size=8")
ENGINES = ("eager", "onnxruntime", "sparse", *(["openvino"] if find_spec("openvino") else []))
ALLOW = ("--allow-import", "tiny_net")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey images of 3:2 with a dark or a bright stripe at one end, which a centre square would cut off."""
    root = tmp_path_factory.mktemp("grey")
    generator = np.random.default_rng(0)
    for name, level in (("dark", 20), ("good", 230)):
        for index in range(24):
            pixels = generator.integers(100, 140, (16, 24), dtype=np.uint8)
            pixels[:, :3] = level
            path = root / name / f"{index:02d}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope="module")
def finished(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with pruning, distillation, 8 bits and every engine."""
    outputs = tmp_path_factory.mktemp("outputs")
    command = (
        *(*TINY, "+model.width=16", *GREY, f"data.root={photographs}", "training.epochs=4"),
        *("strategy=oneshot_l1", "sparsity=0.5", "strategy.recovery.epochs=2", "distillation=logit", "bits=8"),
        *(f"runtime.engines=[{','.join(ENGINES)}]", "runtime.batch_sizes=[1]", "runtime.peak_memory=true"),
    )
    run_here(*command, run_dir=outputs / "run", output_dir=outputs)
    return outputs / "run"


@pytest.mark.compiler
def test_every_engine_runs_the_integers_of_a_grey_network(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert {row["engine"] for row in metrics["timing"]["latency"]} == set(ENGINES)
    assert metrics["timing"]["left_out"] == {}
    assert metrics["timing"]["compressed"]["peak_memory_bytes"] > 0
    counts = metrics["quantization"]["parity"]["executed_layers"]["counts"]
    assert counts["convolution"]["float"] == counts["linear"]["float"] == 0
    assert metrics["quantization"]["parity"]["sparse"]["agreement"] == 1.0
    assert metrics["run"]["data_settings"]["fit"] == "pad"
    # 3x3 weights of one channel at 4x4 places, then as in any network.
    assert metrics["dense"]["macs"] == 16 * 9 * 16 + 32 * 16 * 9 * 4 + 64


@pytest.mark.compiler
def test_files_say_how_an_image_is_prepared(finished: Path) -> None:
    artifact = load_artifact(finished / "model.cmp", allow=["tiny_net"])
    assert artifact.preparation == PAD
    assert len(artifact.mean) == len(artifact.std) == artifact.channels == 1
    about = read_metadata(finished / "model.onnx")
    assert {key: about[key] for key in PAD.to_json()} == PAD.to_json()
    assert artifact.model(torch.zeros(1, 1, 16, 16)).shape == (1, 2)


@pytest.mark.compiler
def test_predict_sees_the_end_of_a_photograph_in_every_engine(finished: Path, photographs: Path) -> None:
    tables = {}
    for engine in ENGINES:
        result = run("predict", finished / "model.cmp", photographs, *ALLOW, "--engine", engine, "--threads", 1)
        assert result.exit_code == 0, result.output
        tables[engine] = [line.split()[:2] for line in result.stdout.splitlines()[1:]]
    rows = tables["onnxruntime"]
    assert sum(f"/{found}/" in path for path, found in rows) > 0.8 * len(rows)
    assert all(table == rows for table in tables.values())


@pytest.mark.compiler
def test_analysis_comparison_and_c_read_grey_photographs(finished: Path, photographs: Path, tmp_path: Path) -> None:
    result = run(
        *("analyze", finished / "model.cmp", "--against", finished / "dense.safetensors"),
        *("--data", photographs, "--output-dir", tmp_path / "analysis", *ALLOW),
    )
    assert result.exit_code == 0, result.output
    result = run("compare", finished / "dense.safetensors", finished / "model.cmp", "--agree", photographs, *ALLOW)
    assert "16x16 grey" in result.stdout, result.output
    result = run(
        *("convert", finished / "model.cmp", "--to", "c", "--output", tmp_path / "c"),
        *("--images", photographs, "--vector", "none", *ALLOW),
    )
    assert result.exit_code == 0, result.output
    assert b"10 of 10 images agree" in run_program(compile_c(tmp_path / "c", "-O2"))
    header = (tmp_path / "c" / "model.h").read_text()
    assert "#define MODEL_CHANNELS 1\n" in header
    assert '#define MODEL_FIT "pad"\n' in header


def test_a_grey_training_starts_from_a_colour_one(photographs: Path, tmp_path: Path) -> None:
    colour: tuple[Any, ...] = (*TINY, "training.epochs=1", "strategy=none", "until=dense")
    run_here(*colour, run_dir=tmp_path / "first", output_dir=tmp_path)
    [first] = (tmp_path / "store").glob("dense-*")
    weights = first / "model.safetensors"
    grey = (*colour, *GREY, f"data.root={photographs}", f"model.weights={weights}", "training.freeze_epochs=1")
    run_here(*grey, run_dir=tmp_path / "second", output_dir=tmp_path)
    [second] = (path for path in (tmp_path / "store").glob("dense-*") if path != first)
    given, made = (load_file(path / "model.safetensors") for path in (first, second))
    assert torch.equal(made["features.0.weight"], given["features.0.weight"].sum(1, keepdim=True))
    assert torch.equal(made["features.3.weight"], given["features.3.weight"])
    assert made["classifier.weight"].shape == (2, 16)


@pytest.mark.parametrize("model", ["mobilenet_v2", "resnet18", "vgg11"])
def test_built_in_networks_get_their_channels_from_the_data(model: str, tmp_path: Path) -> None:
    config = compose_config(f"model={model}", "data.channels=1", f"output_dir={tmp_path}")
    context = make_context(config, tmp_path / "run")
    assert context.architecture["kwargs"]["in_channels"] == 1
    assert context.build_model().eval()(context.example()).shape == (2, 10)

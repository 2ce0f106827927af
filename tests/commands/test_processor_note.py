"""Files of 8-bit weights on a processor without VNNI: the reader is told, and parity is measured again."""

import json

import pytest
from narrow_vgg import ABOUT, make_integers, make_narrow_vgg
from processors import WITH_VNNI, WITHOUT_VNNI
from small_files import cells, run

from compression.artifact import save_artifact
from compression.commands import processor_note
from compression.commands.compare_models import Measuring, compare_files
from compression.commands.compared_file import open_file
from compression.commands.processor_note import describe_saturation
from compression.quantization.plan import Bits, Plan

NOTE = "its 8-bit weights were made for a processor with VNNI; this one (without VNNI) has none"


@pytest.fixture
def on(monkeypatch):
    """A function that lets commands run on another processor."""
    return lambda features: monkeypatch.setattr(processor_note, "read_cpu_features", lambda: features)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A narrow VGG with 8-bit weights, and the same with 6-bit weights."""
    folder = tmp_path_factory.mktemp("vgg")
    for bits in (8, 6):
        network, plan = make_integers(make_narrow_vgg(), weight_bits=bits)
        (folder / f"w{bits}").mkdir()
        save_artifact(folder / f"w{bits}" / "model.cmp", network, plan=plan, **ABOUT)
    return {bits: folder / f"w{bits}" / "model.cmp" for bits in (8, 6)}


@pytest.mark.parametrize(
    ("bits", "dynamic", "saturates"),
    [
        (Bits(8, 8), False, True),
        (Bits(8, 4), False, True),
        (Bits(7, 8), False, False),
        (Bits(4, 8), False, False),
        # Layers with float inputs multiply floats, and dynamic ones multiply uint8 by uint8.
        (Bits(8, 32), False, False),
        (Bits(8, 8), True, False),
    ],
)
def test_only_8_bit_products_saturate(on, bits, dynamic, saturates):
    plan = Plan({"fc": bits, "head": Bits(4, 8)}, dynamic=dynamic)
    on(WITHOUT_VNNI)
    assert (describe_saturation(plan) is not None) == saturates
    on(WITH_VNNI)
    assert describe_saturation(plan) is None


def test_a_float_file_is_for_every_processor(on):
    on(WITHOUT_VNNI)
    assert describe_saturation(None) is None


def test_whoever_opens_the_file_is_told(on, files, folder):
    on(WITHOUT_VNNI)
    assert NOTE in run("inspect", files[8]).stdout
    assert NOTE not in run("inspect", files[6]).stdout
    assert f"file 1: {NOTE}" in run("compare", files[8], files[6]).stdout
    images = folder / "images" / "b.png"
    told = run("predict", files[8], images, "--engine", "onnxruntime")
    assert told.exit_code == 0
    assert told.stderr.startswith(f"note: {NOTE}, so onnxruntime and openvino may saturate")
    # The simulation in PyTorch does not saturate.
    assert run("predict", files[8], images).stderr == ""
    on(WITH_VNNI)
    for command in ("inspect", "compare"):
        assert "VNNI" not in run(command, files[8]).output


def test_compare_measures_parity_again(files):
    parity = {"agreement": 0.9991, "relative_logit_error": 0.0031, "cpu": {"name": "another processor"}}
    metrics = {
        "run": {},
        "dense": {"accuracy": 0.9},
        "compressed": {"accuracy": 0.88, "bytes": {"artifact": files[8].stat().st_size}},
        "quantization": {"parity": parity},
        "timing": {"latency": []},
    }
    (files[8].parent / "metrics.json").write_text(json.dumps(metrics))
    opened = [open_file(path, allow=[], max_bytes=None) for path in files.values()]
    how = Measuring(["onnxruntime"], batch_size=1, threads=1, warmup=0, repeats=1)
    text = compare_files(opened, measuring=how)
    rows = cells(text)
    same = rows["same class as the simulation, onnxruntime, 64 images of noise"]
    assert all(float(cell.removesuffix(" %")) >= 90 for cell in same)
    assert rows["in its own run, on test images"] == ["99.91 %", "-"]
    assert rows["processor"] == ["another processor", "-"]
    errors = [line.split()[-4:] for line in text.splitlines() if "relative error of logits" in line]
    assert all(0 <= float(number) < 5 for number in (errors[0][0], errors[0][2]))
    assert errors[1][-3:] == ["0.31", "%", "-"]
    assert "same class as the simulation" not in compare_files(opened)

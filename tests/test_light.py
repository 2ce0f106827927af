"""The light set of dependencies: it is enough to open a file. Commands that need more print one line."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from packages import heavy_packages
from PIL import Image
from runs import ROOT
from typer.testing import CliRunner

from compression.cli import app

SUPPORT = ROOT / "tests" / "support"
FILES = ROOT / "tests" / "golden" / "v2"
LINE = r'error: \w+ is not installed: pip install "compression\[{}\]"\n'


def run_without(packages, *arguments):
    """Run Python as if ``packages`` were not installed."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SUPPORT / "without_packages"), str(ROOT)]),
        "WITHOUT_PACKAGES": ",".join(sorted(packages)),
    }
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


# One process runs all commands, because each process would import PyTorch again.
@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The names of a loaded model's tensors, and exit code, output and error of each command, without the extras."""
    folder = tmp_path_factory.mktemp("light")
    for name in ("pruned.cmp", "integers.cmp"):
        shutil.copy(FILES / name, folder)
    Image.new("RGB", (20, 30), (0, 0, 255)).save(folder / "image.png")
    pruned, integers, image = (str(folder / name) for name in ("pruned.cmp", "integers.cmp", "image.png"))
    commands = {
        "predict": ["predict", pruned, image, "--csv", str(folder / "out.csv")],
        "predict integers": ["predict", integers, image],
        "inspect": ["inspect", integers],
        "state_dict": ["convert", pruned, "--to", "state_dict"],
        "safetensors": ["convert", pruned, "--to", "safetensors"],
        "safetensors_bitmask": ["convert", pruned, "--to", "safetensors_bitmask"],
        "onnx": ["convert", pruned, "--to", "onnx"],
        "onnxruntime": ["predict", pruned, image, "--engine", "onnxruntime"],
        "openvino": ["predict", pruned, image, "--engine", "openvino"],
        "compare": ["compare", pruned, integers, "--measure"],
        "storage": ["storage", pruned],
        "analyze": ["analyze", pruned, "--data", str(folder)],
        "data": ["data", str(folder)],
        "report": ["report", str(folder)],
        "recommend": ["recommend", str(folder)],
        "status": ["status", str(folder)],
        "store ls": ["store", "ls", "--output-dir", str(folder)],
        "store gc": ["store", "gc", "--output-dir", str(folder)],
        "store verify": ["store", "verify", "--output-dir", str(folder)],
        "sensitivity": ["sensitivity"],
        "search": ["search", "--space", image],
    }
    done = run_without(heavy_packages(), SUPPORT / "light_commands.py", json.dumps([pruned, [*commands.values()]]))
    assert done.returncode == 0, done.stderr
    loaded, *results = json.loads(done.stdout)
    return {"load": loaded, **dict(zip(commands, results, strict=True))}


def test_the_light_set_loads_a_file(answers):
    assert "features.0.weight" in answers["load"]


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("predict", "probability"),
        ("predict integers", "probability"),
        ("inspect", "W4-6A8"),
        ("state_dict", "pruned.pt: PyTorch state dict, FP32: "),
        ("safetensors", "pruned.safetensors: safetensors, FP32: "),
        ("safetensors_bitmask", "pruned.bitmask.safetensors: safetensors, sparse weights with a bitmask, FP32: "),
    ],
)
def test_a_command_of_the_light_set_runs(answers, command, shown):
    code, output, error = answers[command]
    assert (code, error) == (0, "")
    assert shown in output


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("onnx", "onnx"),
        ("onnxruntime", "onnx"),
        ("openvino", "openvino"),
        *((command, "train") for command in ("compare", "storage", "analyze", "data", "report", "recommend")),
        *(
            (command, "train")
            for command in ("status", "store ls", "store gc", "store verify", "sensitivity", "search")
        ),
    ],
)
def test_a_command_that_needs_an_extra_names_it_in_one_line(answers, command, extra):
    code, output, error = answers[command]
    assert (code, output) == (2, "")
    assert re.fullmatch(LINE.format(extra), error)


def test_help_needs_no_extra():
    done = run_without(heavy_packages(), "-m", "compression", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "predict" in done.stdout


def test_training_without_its_extra_names_it_in_one_line():
    done = run_without(heavy_packages(), ROOT / "train.py", "strategy=iterative_l1")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(LINE.format("train"), done.stderr)


def test_the_stages_of_a_run_import_these_only_when_they_need_them():
    late = {"onnx", "onnxscript", "onnxruntime", "openvino", "optuna", "sklearn", "tensorboard", "torch_pruning"}
    code = f"import sys, compression.run.pipeline; print(*sorted({late} & set(sys.modules)))"
    done = run_without([], "-c", code)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "\n")


@pytest.mark.slow
def test_a_missing_package_that_hydra_imports_is_named(tmp_path):
    done = run_without(["sklearn"], ROOT / "train.py", f"output_dir={tmp_path}")
    assert (done.returncode, done.stderr) == (1, 'error: sklearn is not installed: pip install "compression[train]"\n')


def test_a_missing_module_outside_the_extras_is_raised(monkeypatch):
    monkeypatch.setitem(sys.modules, "compression.commands.inspect_model", None)
    result = CliRunner().invoke(app, ["inspect", str(FILES / "pruned.cmp")])
    assert isinstance(result.exception, ModuleNotFoundError)

"""The recipes of CONTRIBUTING.md, followed exactly in a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(python|yaml|diff)\n# (\S+)\n(.*?)^```$", re.M | re.S)


def recipes() -> list[tuple[str, str, str]]:
    """Return the kind, path and text of every block that names a file, in order."""
    return BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())


def apply(kind: str, path: Path, text: str) -> None:
    """Write the file of a block, or make the change that a diff shows."""
    if kind != "diff":
        assert not path.exists(), f"{path} exists already"
        path.write_text(text)
        return
    lines = text.splitlines()
    before = "\n".join(line[1:] for line in lines if not line.startswith("+"))
    after = "\n".join(line[1:] for line in lines if not line.startswith("-"))
    source = path.read_text()
    assert source.count(before) == 1, f"{path} does not have once:\n{before}"
    path.write_text(source.replace(before, after))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the files and changes of all recipes."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("compression", "conf"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "train.py", folder)
    shutil.copy(ROOT / "tests" / "support" / "tiny_net.py", folder)
    for kind, path, text in recipes():
        apply(kind, folder / path, text)
    return folder


@pytest.fixture(scope="module")
def outputs(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of one run with the new criterion, codec, runtime and stage."""
    folder = tmp_path_factory.mktemp("outputs")
    command = (
        "train.py model=custom model._target_=tiny_net.TinyNet data=digits training.epochs=1 threads=1 name=new "
        "strategy=oneshot_largest strategy.recovery.epochs=0 sparsity=0.5 storage=palette "
        f"runtime.engines=[eager,bfloat16] runtime.repeats=2 runtime.peak_memory=false output_dir={folder}"
    )
    environment = {**os.environ, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command.split()], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_kind_of_extension_has_a_recipe() -> None:
    files = [path for kind, path, _ in recipes() if kind == "python"]
    assert [Path(path).parent.name for path in files] == ["criteria", "codecs", "runtimes", "stages"]


def test_the_new_criterion_reaches_its_sparsity(outputs: Path) -> None:
    metrics = json.loads((outputs / "new" / "metrics.json").read_text())
    assert metrics["run"]["strategy"] == "oneshot_largest"
    assert metrics["compressed"]["sparsity"] == pytest.approx(0.5, abs=0.01)


def test_inspect_names_the_new_codec(project: Path, outputs: Path) -> None:
    command = [sys.executable, "-m", "compression", "inspect", str(outputs / "new" / "model.cmp")]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    shown = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True).stdout
    assert "palette" in shown


def test_the_new_runtime_is_measured(outputs: Path) -> None:
    metrics = json.loads((outputs / "new" / "metrics.json").read_text())
    assert {entry["engine"] for entry in metrics["timing"]["latency"]} == {"eager", "bfloat16"}


def test_predict_runs_the_new_runtime(project: Path, outputs: Path, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "black.png")
    arguments = f"predict {outputs}/new/model.cmp {tmp_path}/black.png --engine bfloat16 --allow-import tiny_net"
    command = [sys.executable, "-m", "compression", *arguments.split()]
    environment = {**os.environ, "PYTHONPATH": str(project)}
    shown = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=True).stdout
    assert "black.png" in shown


def test_the_new_stage_is_in_the_store(outputs: Path) -> None:
    [file] = (outputs / "store").glob("zeros-*/stage.json")
    zeros = json.loads(file.read_text())["results"]["zeros"]
    metrics = json.loads((outputs / "new" / "metrics.json").read_text())
    assert sum(zeros.values()) > 0
    assert "zeros" in metrics["run"]["stages"]


def test_stages_are_listed_in_the_order_of_the_pipeline(project: Path) -> None:
    """`until` and plans take their order from one tuple."""
    code = (
        "from compression.config.schema import STAGES as names; from compression.run.pipeline import STAGES as stages; "
        "assert names == tuple(one.name for one in stages if not one.name.endswith('_export')), names"
    )
    for folder in (ROOT, project):
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)

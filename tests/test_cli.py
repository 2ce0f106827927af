"""The command line itself: one-line errors and help. Tests of single commands are in tests/commands."""

import subprocess
import sys

import pytest
from full_disk import fill_disk
from PIL import Image
from runs import ROOT
from small_files import run

import compression

PRUNED = ROOT / "tests" / "golden" / "v2" / "pruned.cmp"


@pytest.mark.parametrize("command", ["predict", "inspect", "convert"])
def test_the_error_names_a_bad_artifact(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    rest = {"predict": ["image.png"], "inspect": [], "convert": ["--to", "onnx"]}[command]
    Image.new("RGB", (8, 8)).save("image.png")
    data = PRUNED.read_bytes()
    (tmp_path / "cut.cmp").write_bytes(data[:-5])
    (tmp_path / "flip.cmp").write_bytes(data[:-5] + b"!" + data[-4:])
    (tmp_path / "none.cmp").write_bytes(b"hello")
    messages = {
        "cut.cmp": f"cut.cmp is truncated: has {len(data) - 5} of {len(data)} bytes",
        "flip.cmp": "flip.cmp is damaged: checksum of section tensors differs",
        "none.cmp": "none.cmp is not an artifact of this package (or its first bytes are damaged)",
        "nowhere.cmp": "artifact 'nowhere.cmp' does not exist",
    }
    for name, message in messages.items():
        result = run(command, name, *rest)
        assert result.exit_code == 2
        assert result.stderr == f"error: {message}\n"


def test_an_output_that_cannot_be_written_is_a_one_line_error(tmp_path):
    (tmp_path / "file").touch()
    result = run("convert", PRUNED, "--to", "state_dict", "--output", tmp_path / "file" / "x.pt")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1


def test_a_full_disk_is_a_one_line_error(tmp_path, monkeypatch):
    output = tmp_path / "m.safetensors"
    fill_disk(monkeypatch, after=1000)
    result = run("convert", PRUNED, "--to", "safetensors", "--output", output)
    assert result.exit_code == 2
    assert result.stderr == f"error: {output}: No space left on device\n"
    assert not list(tmp_path.iterdir())


def test_help_version_and_wrong_usage_have_their_exit_codes():
    for arguments in (["--help"], ["predict", "--help"], ["inspect", "--help"], ["convert", "--help"]):
        assert run(*arguments).exit_code == 0
    assert run("--version").stdout == f"compression {compression.__version__}\n"
    assert run("convert", "m.cmp", "--to", "zip").exit_code == 2
    assert run("foo").exit_code == 2


def test_the_package_runs_as_a_module():
    done = subprocess.run([sys.executable, "-m", "compression", "predict"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Missing argument 'FILE'" in done.stderr


def test_help_does_not_import_torch():
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from compression.cli import app\n"
        "assert CliRunner().invoke(app, ['predict', '--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

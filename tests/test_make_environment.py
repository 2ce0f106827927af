"""``.ci/make_environment`` finds a suitable Python for any ``python3``. Fake executables replace uv and Python."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="make and bash are needed")

# A fake interpreter that prints its version and runs the shell code ``pip`` as `python -m pip install`.
PYTHON = """#!/bin/sh
case "$*" in
    "-c "*) echo {version} ;;
    "-m pip install --target "*) {pip} ;;
    *) exit 1 ;;
esac
"""
# A fake uv that logs its arguments in $ASKED. It finds the interpreter $FOUND and makes an environment with it.
UV = """#!/bin/sh
echo "$@" >> "$ASKED"
case "$1 $2" in
    "python find")
        [ -x .venv/bin/python ] || exit 2
        case $(.venv/bin/python -c "") in 3.1[123].*) echo "$PWD/.venv/bin/python" ;; *) exit 2 ;; esac ;;
    "venv --quiet")
        [ -n "$FOUND" ] || { echo "error: No interpreter found" >&2; exit 2; }
        mkdir -p .venv/bin && cp "$FOUND" .venv/bin/python ;;
    "pip install") ;;
esac
"""


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def project(tmp_path):
    """A folder with the script and its inputs, beside a ``bin`` folder of the tools that the script calls."""
    folder = tmp_path / "project"
    (folder / ".ci").mkdir(parents=True)
    for name in (".ci/make_environment", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder / name)
    for tool in ("bash", "sh", "env", "dirname", "sed", "mktemp", "rm", "cp", "touch", "mkdir", "cat"):
        found = shutil.which(tool)
        assert found is not None
        (tmp_path / "bin").mkdir(exist_ok=True)
        (tmp_path / "bin" / tool).symlink_to(found)
    return folder


def make(project, *, found=None, **environment):
    """Run the script; return its exit code, its output and the argument lists of all calls of uv."""
    asked = project.parent / "asked"
    done = subprocess.run(
        [project / ".ci" / "make_environment"],
        env={"PATH": str(project.parent / "bin"), "ASKED": str(asked), "FOUND": str(found or ""), **environment},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr, asked.read_text().splitlines() if asked.exists() else []


def test_a_suitable_python_is_preferred_to_an_old_python3(project):
    tools = project.parent / "bin"
    executable(tools / "uv", UV)
    executable(tools / "python3", PYTHON.format(version="3.10.13", pip="exit 1"))
    beside = executable(tools / "python3.13", PYTHON.format(version="3.13.0", pip="exit 1"))
    code, output, asked = make(project, found=beside)
    assert code == 0, output
    assert output == "environment: Python 3.13.0 in .venv (needs >=3.11,<3.14; python3 is 3.10.13)\n"
    assert [line for line in asked if line.startswith("venv")] == [
        "venv --quiet --no-project --python >=3.11,<3.14 .venv"
    ]
    assert asked[-1].endswith("-c constraints.txt -e .[dev]")
    assert (project / ".venv" / ".ready").exists()


@pytest.mark.parametrize("version", ["3.10.13", "3.14.0"])
def test_an_unsuitable_python_downloads_uv(project, version):
    tools = project.parent / "bin"
    executable(project.parent / "fetched", UV)
    fetch = 'mkdir -p "$5/bin" && cp "$FETCHED" "$5/bin/uv"'
    executable(tools / "python3", PYTHON.format(version=version, pip=fetch))
    beside = executable(project.parent / "elsewhere" / "python3.12", PYTHON.format(version="3.12.1", pip="exit 1"))
    code, output, _ = make(project, found=beside, FETCHED=str(project.parent / "fetched"))
    assert code == 0, output
    assert output == f"environment: Python 3.12.1 in .venv (needs >=3.11,<3.14; python3 is {version})\n"


def test_without_a_suitable_python_the_error_is_one_line(project):
    executable(project.parent / "bin" / "uv", UV)
    code, output, _ = make(project)
    assert code == 1
    assert output == (
        "error: no Python >=3.11,<3.14 on PATH, and uv could not download one: install one, e.g. python3.13\n"
    )
    assert not (project / ".venv" / ".ready").exists()


def test_the_error_names_a_requested_python_that_is_missing(project):
    executable(project.parent / "bin" / "uv", UV)
    code, output, asked = make(project, PYTHON="python3.9")
    assert (code, output) == (
        1,
        "error: PYTHON=python3.9: must be a Python >=3.11,<3.14 that is installed, or that uv can download\n",
    )
    assert "venv --quiet --no-project --python python3.9 .venv" in asked


def test_a_requested_python_that_does_not_fit_is_refused(project):
    tools = project.parent / "bin"
    executable(tools / "uv", UV)
    old = executable(tools / "python3.10", PYTHON.format(version="3.10.13", pip="exit 1"))
    code, output, _ = make(project, found=old, PYTHON="python3.10")
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("error: PYTHON=python3.10: must be")
    assert not (project / ".venv").exists()


def test_without_uv_and_python_the_error_is_one_line(project):
    code, output, _ = make(project)
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("error: uv not found, and no Python with pip could download it: install uv")


def test_a_suitable_environment_is_kept(project):
    executable(project.parent / "bin" / "uv", UV)
    own = executable(project / ".venv" / "bin" / "python", PYTHON.format(version="3.11.7", pip="exit 1"))
    code, output, asked = make(project, found=own)
    assert code == 0, output
    assert output == "environment: Python 3.11.7 in .venv (needs >=3.11,<3.14; no python3 on PATH)\n"
    assert not [line for line in asked if line.startswith("venv")]


def test_an_environment_with_an_old_python_is_replaced(project):
    tools = project.parent / "bin"
    # Only the environment has uv, so the script must copy uv before it removes the environment.
    executable(project / ".venv" / "bin" / "uv", UV)
    executable(project / ".venv" / "bin" / "python", PYTHON.format(version="3.10.13", pip="exit 1"))
    beside = executable(tools / "python3.12", PYTHON.format(version="3.12.1", pip="exit 1"))
    code, output, _ = make(project, found=beside)
    assert code == 0, output
    assert output.startswith("environment: Python 3.12.1 in .venv")


def test_the_makefile_calls_the_script():
    makefile = (ROOT / "Makefile").read_text()
    assert "\t@.ci/make_environment\n" in makefile
    assert os.access(ROOT / ".ci" / "make_environment", os.X_OK)

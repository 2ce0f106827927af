import json
import platform
import re
import subprocess
from datetime import UTC, datetime

import psutil
import pytest
import torch

from compression.reporting import provenance
from compression.reporting.provenance import describe_machine, describe_software, git_commit, now


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_commit(repository):
    commit = git_commit(repository)
    assert commit == git(repository, "rev-parse", "HEAD")
    assert re.fullmatch(r"[0-9a-f]{40}", commit)


def test_changes_are_marked(repository):
    commit = git_commit(repository)
    (repository / "untracked").write_text("")
    assert git_commit(repository) == commit
    (repository / "file").write_text("2")
    assert git_commit(repository) == f"{commit}+changes"
    git(repository, "add", "file")
    assert git_commit(repository) == f"{commit}+changes"


def test_commit_of_a_folder_below(repository):
    (repository / "sub").mkdir()
    assert git_commit(repository / "sub") == git_commit(repository)


def test_outside_git(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_commit(tmp_path) is None


def test_before_the_first_commit(tmp_path):
    git(tmp_path, "init", "-q")
    assert git_commit(tmp_path) is None


def test_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_commit(tmp_path) is None


def test_machine():
    machine = describe_machine()
    assert list(machine) == ["processor", "cores", "memory_bytes", "gpu", "system"]
    assert machine["processor"]
    assert machine["cores"] >= 1
    assert machine["memory_bytes"] == psutil.virtual_memory().total
    assert (machine["gpu"] is None) is (not torch.cuda.is_available())
    assert json.loads(json.dumps(machine)) == machine


def test_machine_is_the_same_every_time():
    """The description of the machine is part of a stage's identity, so it must be stable."""
    assert describe_machine() == describe_machine()


def test_processor_without_cpuinfo(monkeypatch):
    monkeypatch.setattr(provenance.Path, "exists", lambda _: False)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert describe_machine()["processor"] == "riscv64"


def test_software():
    software = describe_software()
    assert software["python"] == platform.python_version()
    assert software["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"torchvision", "lightning", "onnxruntime", "onnx", "numpy"} <= set(software)


def test_now_is_utc_to_the_second():
    text = now()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", text)
    assert abs((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds()) < 60

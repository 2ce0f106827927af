"""GPUs shared by jobs. The list of GPUs is invented, so no GPU is needed."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from compression.config.sweep_environment import GPUS
from compression.sweep.gpus import VISIBLE, list_gpus, take_gpu


@pytest.fixture(autouse=True)
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPUS, "2,MIG-GPU-1a/3/0")


def test_each_job_gets_a_free_gpu(tmp_path: Path) -> None:
    with take_gpu(tmp_path, number=0) as first:
        assert first == {VISIBLE: "2"}
        # Job 1 has ended already. Job 2 finds the first GPU taken.
        with take_gpu(tmp_path, number=2) as third:
            assert third == {VISIBLE: "MIG-GPU-1a/3/0"}
    with take_gpu(tmp_path, number=3) as fourth:
        assert fourth == {VISIBLE: "MIG-GPU-1a/3/0"}


def test_workers_share_gpus_if_there_are_too_few(tmp_path: Path) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(take_gpu(tmp_path, number=number))[VISIBLE] for number in range(4)]
    assert taken == ["2", "MIG-GPU-1a/3/0"] * 2


def test_a_killed_worker_releases_its_gpu(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys, time\nfrom compression.sweep.gpus import take_gpu\n"
        "with take_gpu(pathlib.Path(sys.argv[1]), number=0):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    worker = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "held\n"
    with take_gpu(tmp_path, number=0) as other:
        assert other == {VISIBLE: "MIG-GPU-1a/3/0"}
    worker.kill()
    worker.communicate()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with take_gpu(tmp_path, number=0) as again:
            if again == {VISIBLE: "2"}:
                return
    pytest.fail("the GPU of the killed worker is still held")


def test_without_gpus_to_share_the_environment_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPUS, "")
    with take_gpu(tmp_path, number=0) as environment:
        assert environment == {}


def test_only_visible_gpus_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "3, 1")
    assert list_gpus() == ["3", "1"]
    monkeypatch.setenv(VISIBLE, "")
    assert list_gpus() == []
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert list_gpus() == ["0", "1"]

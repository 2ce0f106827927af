"""Jobs take turns on GPUs; the list of GPUs is made up, there need be none."""

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


def test_each_job_gets_a_free_one(tmp_path: Path) -> None:
    with take_gpu(tmp_path, number=0) as first:
        assert first == {VISIBLE: "2"}
        # Job 1 was quick, and job 2 finds the GPU of its turn taken.
        with take_gpu(tmp_path, number=2) as third:
            assert third == {VISIBLE: "MIG-GPU-1a/3/0"}
    with take_gpu(tmp_path, number=3) as fourth:
        assert fourth == {VISIBLE: "MIG-GPU-1a/3/0"}


def test_more_workers_than_gpus_share_in_turns(tmp_path: Path) -> None:
    with ExitStack() as stack:
        taken = [stack.enter_context(take_gpu(tmp_path, number=number))[VISIBLE] for number in range(4)]
    assert taken == ["2", "MIG-GPU-1a/3/0"] * 2


def test_a_killed_worker_holds_nothing(tmp_path: Path) -> None:
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


def test_no_gpus_or_somebody_else_shares_them_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GPUS, "")
    with take_gpu(tmp_path, number=0) as environment:
        assert environment == {}


def test_listed_are_those_one_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "3, 1")
    assert list_gpus() == ["3", "1"]
    monkeypatch.setenv(VISIBLE, "")
    assert list_gpus() == []
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert list_gpus() == ["0", "1"]

"""``kill -9`` of a run at any moment: the same command resumes and gives the result of an undisturbed run."""

import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from runs import TINY, lasting, start_train, start_warm, train
from warm import WarmTrain

LONGER = (*TINY, "training.epochs=12", "strategy.schedule.steps=4", "strategy.recovery.epochs=3", "sparsity=0.8")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an undisturbed run."""
    outputs = tmp_path_factory.mktemp("undisturbed")
    code, output = train(*LONGER, "name=run", f"output_dir={outputs}")
    assert code == 0, output
    return outputs


def kill_when(happened: Callable[[], bool], process: subprocess.Popen[str] | WarmTrain) -> bool:
    """Kill the process once ``happened()`` is true; return False if the process ended before."""
    while not happened():
        if process.poll() is not None:
            process.communicate()
            return False
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return True


def finished_stages(outputs: Path) -> dict[Path, int]:
    """Return the time of publication of each finished stage, in nanoseconds."""
    return {path: path.stat().st_mtime_ns for path in (outputs / "store").glob("*/stage.json") if is_published(path)}


def is_published(path: Path) -> bool:
    return ".partial" not in path.parent.name


def checkpoint_of(stage: str, store: Path) -> Callable[[], bool]:
    return lambda: any(store.glob(f"{stage}-*.partial/resume/last.ckpt"))


def test_a_run_killed_in_training_and_in_pruning_resumes_exactly(tmp_path: Path) -> None:
    command = (*LONGER, "training.epochs=6", "strategy.schedule.steps=2", "until=prune", "name=run")
    whole, store = tmp_path / "whole", tmp_path / "store"
    for stage in ("dense", "prune"):
        process = start_warm(*command, f"output_dir={tmp_path}")
        assert kill_when(checkpoint_of(stage, store), process), "the run ended before it could be killed"
    [dense] = finished_stages(tmp_path).items()
    for outputs in (tmp_path, whole):
        code, output = train(*command, f"output_dir={outputs}")
        assert code == 0, output
    assert dense in finished_stages(tmp_path).items(), "a finished stage was made again"
    for stage in ("dense", "prune"):
        [resumed], [left_alone] = (
            [path for path in (outputs / "store").glob(f"{stage}-*") if path.is_dir()] for outputs in (tmp_path, whole)
        )
        assert resumed.name == left_alone.name
        assert (resumed / "model.safetensors").read_bytes() == (left_alone / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_run_killed_in_every_stage_resumes_exactly(undisturbed: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"

    def started(stage: str) -> Callable[[], bool]:
        return lambda: any(store.glob(f"{stage}-*.partial"))

    published: dict[Path, int] = {}
    for moment in (
        checkpoint_of("dense", store),
        checkpoint_of("prune", store),
        started("export"),
        started("evaluate"),
        started("analyze"),
    ):
        process = start_warm(*LONGER, "name=run", f"output_dir={tmp_path}")
        assert kill_when(moment, process), "the run ended before it could be killed"
        now = finished_stages(tmp_path)
        assert published.items() <= now.items(), "a finished stage was made again"
        published = now
    code, output = train(*LONGER, "name=run", f"output_dir={tmp_path}")
    assert code == 0, output
    assert published.items() <= finished_stages(tmp_path).items()
    assert lasting(tmp_path / "run" / "metrics.json") == lasting(undisturbed / "run" / "metrics.json")
    artifact = (tmp_path / "run" / "model.cmp").read_bytes()
    assert artifact == (undisturbed / "run" / "model.cmp").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_a_run_killed_at_random_moments_resumes_exactly(moment: int, undisturbed: Path, tmp_path: Path) -> None:
    generator = random.Random(moment)
    for _ in range(3):
        process = start_train(*LONGER, "name=run", f"output_dir={tmp_path}")
        deadline = time.monotonic() + generator.uniform(2, 12)
        kill_when(lambda until=deadline: time.monotonic() > until, process)
    code, output = train(*LONGER, "name=run", f"output_dir={tmp_path}", fresh=True)
    assert code == 0, output
    assert lasting(tmp_path / "run" / "metrics.json") == lasting(undisturbed / "run" / "metrics.json")

"""``kill -9`` of a job, of the sweep or of everything: the same command finishes the sweep with the same results."""

import csv
import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from finished_sweep import SMALL
from runs import TINY, lasting, start_train, start_warm, train
from warm import WarmTrain

from compression.sweep.jobs import FINISHED, RUNNING, read_state, read_sweep

SWEEP = (
    "-m",
    *TINY,
    "training.epochs=10",
    "strategy=oneshot_l1",
    "strategy.recovery.epochs=5",
    "runtime.engines=[onnxruntime]",
    "sparsity=0.5,0.7",
    "name=sweep",
)
WORKERS = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
Process = subprocess.Popen[str] | WarmTrain


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an undisturbed sweep."""
    outputs = tmp_path_factory.mktemp("undisturbed")
    code, output = train(*SWEEP, f"output_dir={outputs}", fork_jobs=True)
    assert code == 0, output
    return outputs


def table(outputs: Path) -> list[dict[str, str]]:
    """Return the rows of the jobs in the sweep's table without measured times."""
    with (outputs / "sweep" / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] != "dense"]
    varying = json.loads((outputs / "sweep" / "results.json").read_text())["varying"]
    assert "latency_ms" in varying
    return [{key: value for key, value in row.items() if key not in varying} for row in rows]


def made(outputs: Path) -> dict[Path, int]:
    """Return the time of publication of each finished stage, in nanoseconds."""
    records = (outputs / "store").glob("*/stage.json")
    return {path: path.stat().st_mtime_ns for path in records if ".partial" not in path.parent.name}


def victims(process: Process, which: str) -> list[psutil.Process]:
    """Return the processes to kill: one that trains a job, the sweep itself, one worker between them, or all."""
    parent = psutil.Process(process.pid)
    below = parent.children(recursive=True)
    jobs = [one for one in below if any("hydra.run.dir=" in word for word in _words(one))]
    return {
        "job": jobs[:1],
        "sweep": [parent],
        "worker": [one for one in below if is_worker(one)][:1],
        "everything": [parent, *below],
    }[which]


def is_worker(process: psutil.Process) -> bool:
    return "loky.backend.popen" in " ".join(_words(process))


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def disturb(outputs: Path, which: str, seconds: float, launcher: tuple[str, ...]) -> None:
    """Start the sweep and kill ``which`` of its processes after some seconds; wait until all others have ended."""
    before = made(outputs)
    # The output is not a pipe: a worker that is orphaned during its start stays alive and would keep the pipe open.
    silent = {"stdout": subprocess.DEVNULL, "start_new_session": True}
    process = start_train(*SWEEP, *launcher, f"output_dir={outputs}", **silent)
    kill(process, which, seconds)
    wait_for_all(process, outputs, before)
    for one in psutil.process_iter():
        if is_worker(one) and one.ppid() == 1:
            one.kill()


def disturb_running_job(outputs: Path, which: str, seconds: float) -> None:
    """Do the same as ``disturb``, but count the seconds from the first file that a job writes."""
    before, start = made(outputs), time.time_ns()
    process = start_warm(*SWEEP, f"output_dir={outputs}", start_new_session=True)
    while not any(written_at(path) > start for path in outputs.glob("store/*.partial/**/*")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    kill(process, which, seconds)
    wait_for_all(process, outputs, before)


def written_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def kill(process: Process, which: str, seconds: float) -> None:
    """Kill after some seconds, or later as soon as such a process exists."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        if time.monotonic() > deadline and (found := victims(process, which)):
            break
        time.sleep(0.05)
    else:
        return
    for one in found:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue


def wait_for_all(process: Process, outputs: Path, before: dict[Path, int]) -> None:
    process.communicate(timeout=300)
    # A job ends by itself if its supervisor was killed.
    deadline = time.monotonic() + 60
    while any(f"output_dir={outputs}" in _words(one) for one in psutil.process_iter()) and time.monotonic() < deadline:
        time.sleep(0.1)
    now = made(outputs)
    assert before.items() <= now.items(), "a finished stage was made again"


def finish(outputs: Path, undisturbed: Path, launcher: tuple[str, ...] = ()) -> None:
    """Run the sweep again. It succeeds, makes no stage twice, and has the results of the undisturbed sweep."""
    before = made(outputs)
    settings = {"fresh": True} if launcher else {"fork_jobs": True}
    code, output = train(*SWEEP, *launcher, f"output_dir={outputs}", **settings)
    assert code == 0, output
    assert before.items() <= made(outputs).items(), "a finished stage was made again"
    sweep = read_sweep(outputs / "sweep")
    assert all(read_state(sweep.folder / job.name).status == FINISHED for job in sweep.jobs)
    assert table(outputs) == table(undisturbed)


def running_job(outputs: Path) -> psutil.Process:
    """Return the process of the running job, once it makes a stage."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        states = [read_state(record.parent) for record in outputs.glob("sweep/*/job.json")]
        running = [state.pid for state in states if state.status == RUNNING and state.pid is not None]
        if running and list(outputs.glob("store/*.partial")):
            return psutil.Process(running[0])
        time.sleep(0.02)
    raise TimeoutError("no job makes a stage")


def test_killed_jobs_and_sweeps_are_reported_and_resumed(finished_sweep: Path, tmp_path: Path) -> None:
    command = ("-m", *SMALL, "sparsity=0.5,0.7", "weight_bits=6", "name=sweep", f"output_dir={tmp_path}")
    process = start_warm(*command, fork_jobs=True)
    running_job(tmp_path).kill()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "killed by SIGKILL" in output
    # The other job was not affected.
    assert [row["status"] for row in table(tmp_path)] == ["killed", FINISHED]
    process = start_warm(*command, fork_jobs=True)
    job = running_job(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=300)
    # A job ends by itself if its sweep was killed.
    job.wait(timeout=60)
    before = made(tmp_path)
    code, output = train(*command, fork_jobs=True)
    assert code == 0, output
    assert before.items() <= made(tmp_path).items(), "a finished stage was made again"
    # The same jobs of a larger, undisturbed sweep have the same results.
    assert results(tmp_path) == [one for one in results(finished_sweep) if one["run"]["weight_bits"] == 6]


def results(outputs: Path) -> list[dict[str, Any]]:
    """Return the results of each job of the sweep, without measured times."""
    sweep = read_sweep(outputs / "sweep")
    found = [lasting(sweep.folder / job.name / "metrics.json") for job in sweep.jobs]
    return [one | {"run": one["run"] | {"name": None}} for one in found]


@pytest.mark.slow
def test_a_sweep_resumes_after_kills_of_a_job_the_sweep_and_everything(undisturbed: Path, tmp_path: Path) -> None:
    process = start_warm(*SWEEP, f"output_dir={tmp_path}")
    while not (jobs := victims(process, "job")):
        assert process.poll() is None
        time.sleep(0.05)
    [job] = jobs
    while not list((tmp_path / "store").glob("dense-*.partial")):
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    process.communicate(timeout=300)
    assert [row["status"] for row in table(tmp_path)] == ["killed", FINISHED]
    # Then the sweep is killed while the first job runs again, and then both are killed at once.
    generator = random.Random(0)
    for which in ("sweep", "everything"):
        disturb_running_job(tmp_path, which, generator.uniform(0, 0.5))
    finish(tmp_path, undisturbed)


@pytest.mark.slow
def test_a_sweep_continues_after_a_worker_was_killed(undisturbed: Path, tmp_path: Path) -> None:
    process = start_train(*SWEEP, *WORKERS, f"output_dir={tmp_path}")
    while not list((tmp_path / "store").glob("dense-*.partial")):
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)
    kill(process, "worker", random.Random(1).uniform(0, 2))
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "a worker was killed and took the others with it; going on" in output
    assert table(tmp_path) == table(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_a_sweep_killed_at_random_moments_gives_the_same_results(
    moment: int, undisturbed: Path, tmp_path: Path
) -> None:
    generator = random.Random(moment)
    launcher = WORKERS if moment % 2 else ()
    kinds = ["job", "sweep", "everything", *(["worker"] if launcher else [])]
    for _ in range(2):
        disturb(tmp_path, generator.choice(kinds), generator.uniform(5, 50), launcher)
    finish(tmp_path, undisturbed, launcher)

"""A sweep from its first job to its answer."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from compression.config.sweep_name import SWEEP_FILE
from compression.sweep.baselines.second_round import run_second_round
from compression.sweep.gpus import take_gpu
from compression.sweep.jobs import FINISHED, Sweep, read_state, read_sweep
from compression.sweep.supervise import is_done, run_job

# How often a pool of workers that died is begun again; what was finished is not run twice.
_POOLS = 3
TRAIN = Path(__file__).resolve().parents[2] / "train.py"


def run_numbered(number: int) -> None:
    """Run the job of this ``number`` of the sweep that the environment names."""
    _run(read_sweep(Path(os.environ[SWEEP_FILE]).parent), number)


def _run(sweep: Sweep, number: int) -> None:
    job, folder = sweep.jobs[number], sweep.folder / sweep.jobs[number].name
    place = f"{number + 1}/{len(sweep.jobs)}  {job.name}"
    if is_done(job, folder):
        print(f"{place}  found finished", flush=True)
        return
    print(f"{place}  begun", flush=True)
    with take_gpu(sweep.folder, number=number) as its_gpu:
        state = run_job(job, folder=folder, script=TRAIN, environment=its_gpu)
    told = state.status if state.reason is None else f"{state.status}: {state.reason}"
    print(f"{place}  {told}, {state.seconds:.1f} s", flush=True)


def complete(main: Callable[[], object]) -> int:
    """Run Hydra's ``main``; where it was a multirun, whatever happened, gather what is there. Return the exit code."""
    for attempt in range(_POOLS):
        try:
            main()
        except Exception as error:
            if SWEEP_FILE in os.environ and _is_lost_task(error):
                told = (str(error).splitlines() or ["no reason given"])[0]
                print(f"error: a task ended without an answer: {told}", file=sys.stderr, flush=True)
                print("others may still run; `python -m compression report` gathers them later", file=sys.stderr)
                conclude(Path(os.environ[SWEEP_FILE]).parent)
                return 1
            if SWEEP_FILE not in os.environ or not _is_dead_pool(error) or attempt == _POOLS - 1:
                raise
            print("a worker was killed and took the others with it; going on", file=sys.stderr, flush=True)
        else:
            break
    if SWEEP_FILE not in os.environ:
        return 0
    folder = Path(os.environ[SWEEP_FILE]).parent
    run_second_round(read_sweep(folder), _run)
    return conclude(folder)


def conclude(folder: Path) -> int:
    """Write and print the answer of the sweep in ``folder``; return 1 if a job of it is not finished."""
    # Imported late: with it come NumPy, SciPy and matplotlib.
    from compression.sweep.answer.report import aggregate

    Console(width=None if sys.stdout.isatty() else 120).print(aggregate(folder).to_rich())
    states = [read_state(folder / job.name) for job in read_sweep(folder).jobs]
    return 0 if all(state.status == FINISHED for state in states) else 1


def _is_lost_task(error: BaseException) -> bool:
    # submitit's: the task was cancelled, out of time, or on a node that failed.
    return type(error).__name__ in ("UncompletedJobError", "FailedJobError", "FailedSubmissionError")


def _is_dead_pool(error: BaseException) -> bool:
    return type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool")

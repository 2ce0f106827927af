"""The execution of a sweep, from its first job to its report."""

import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from compression.config.explain import explain
from compression.config.schema import Config
from compression.config.sweep_environment import SweepEnvironment
from compression.sweep.baselines.second_round import run_second_round
from compression.sweep.gpus import take_gpu
from compression.sweep.jobs import FAILED, FINISHED, KILLED, Sweep, read_state, read_sweep
from compression.sweep.presence import close_sweep
from compression.sweep.pruned_models import leave_pruned_models
from compression.sweep.run_folder import removed_if_refused
from compression.sweep.supervise import exit_with_parent, is_done, run_job
from compression.system.disk import DiskFullError, mentions_full_disk
from compression.system.library_messages import keep_in_log_file
from compression.system.spinning import limit_spinning
from compression.system.termination import describe_stop, exit_code, find_stop
from compression.system.uncollected import uncollected_imports

# Number of attempts when a pool of workers dies. Finished jobs are not run twice.
_POOLS = 3
_ENDED = (FINISHED, FAILED, KILLED)
TRAIN = Path(__file__).resolve().parents[2] / "train.py"


def run_alone(config: Config, *, run_dir: str) -> float:
    """Run a single run and return its objective; raises InputError."""
    with removed_if_refused(Path(run_dir)):
        # Libraries may warn while they are imported.
        keep_in_log_file()
        # Imported late, so that --help and a mistyped key are answered before torch is loaded.
        with uncollected_imports():
            from compression.run.pipeline import run

        return run(config, run_dir=run_dir)


def run_numbered(number: int) -> None:
    """Run job ``number`` of the sweep that the environment names."""
    exit_with_parent()
    folder = _find_folder()
    assert folder is not None
    _run(read_sweep(folder), number)


# The message of a job that found the disk full. Later jobs would end in the same way.
_no_room: list[str] = []


def _run(sweep: Sweep, number: int) -> None:
    job, folder = sweep.jobs[number], sweep.folder / sweep.jobs[number].name
    place = f"{number + 1}/{len(sweep.own)}  {job.name}"
    known = read_state(folder)
    invocation = SweepEnvironment.read().invocation
    # When a pool of workers starts again, it does not retry jobs that ended in this invocation.
    if known.status in _ENDED and invocation is not None and known.invocation == invocation:
        print(f"{place}  found {known.status}", flush=True)
        return
    if is_done(job, folder):
        print(f"{place}  found finished", flush=True)
        return
    if _no_room:
        raise DiskFullError(_no_room[0])
    print(f"{place}  started", flush=True)
    with take_gpu(sweep.folder, number=number) as its_gpu:
        state = run_job(job, folder=folder, script=TRAIN, environment=its_gpu)
    outcome = state.status if state.reason is None else f"{state.status}: {state.reason}"
    print(f"{place}  {outcome}, {state.seconds:.1f} s", flush=True)
    if mentions_full_disk(state.reason or ""):
        _no_room.append(state.reason or "")
        raise DiskFullError(state.reason)


def complete(main: Callable[[], object]) -> int:
    """Run Hydra's ``main`` and return the exit code. A multirun writes its report, whatever ended it."""
    limit_spinning()
    ended: BaseException | None = None
    try:
        _launch(main)
        if (folder := _find_folder()) is not None:
            run_second_round(read_sweep(folder), _run)
    except BaseException as error:  # noqa: BLE001 - errors other than stops are raised again
        # A single run, or a sweep that has not started.
        if _find_folder() is None:
            return _end_alone(error)
        ended = error
    folder = _find_folder()
    if folder is None:
        return 0
    try:
        return _report(folder, ended)
    except KeyboardInterrupt as error:
        # A stop during the report. If it is the second one, the first one counts.
        return _end_alone(error if ended is None or find_stop(ended) is None else ended)


def _report(folder: Path, ended: BaseException | None) -> int:
    """Write the report of the sweep in ``folder``, and return the exit code; ``ended`` is what ended it early."""
    reason = None if ended is None else _explain(ended)
    if ended is not None and reason is None:
        traceback.print_exception(ended)
    code = conclude(folder)
    if ended is None:
        if left := leave_pruned_models(read_sweep(folder)):
            print(f"before quantization: {', '.join(left)}", flush=True)
        return code
    print(f"error: {reason or f'{type(ended).__name__}, as above'}", file=sys.stderr, flush=True)
    stop = find_stop(ended)
    return 1 if stop is None else exit_code(stop)


def _end_alone(error: BaseException) -> int:
    """Print what stopped a run and return its exit code. Raise any other error again."""
    stop = find_stop(error)
    if stop is None:
        raise error
    print(f"error: {describe_stop(stop)}", file=sys.stderr, flush=True)
    return exit_code(stop)


def _launch(main: Callable[[], object]) -> None:
    """Run ``main``, and again if workers were killed, at most ``_POOLS`` times in total."""
    for attempt in range(_POOLS):
        try:
            main()
        except Exception as error:
            if _find_folder() is None or not _is_dead_pool(error) or attempt == _POOLS - 1:
                raise
            print("a worker was killed and took the others with it; going on", file=sys.stderr, flush=True)
        else:
            return


def _find_folder() -> Path | None:
    # Hydra's callback writes it while `main` runs.
    return SweepEnvironment.read().sweep_folder


def conclude(folder: Path) -> int:
    """Write and print the report of the sweep in ``folder``. Return 1 if a job of its command is not finished."""
    # Imported late, because it imports NumPy, SciPy and matplotlib.
    from compression.sweep.report.sweep_report import aggregate

    try:
        result = aggregate(folder)
        Console(width=None if sys.stdout.isatty() else 120).print(result.to_rich())
        own = {job.name for job in read_sweep(folder).own}
        return 1 if any(job.name in own for job in result.unfinished) else 0
    finally:
        close_sweep(folder)


def _explain(error: BaseException) -> str | None:
    """Return one line that says what ended a sweep, or None for a defect."""
    stop = find_stop(error)
    if stop is not None:
        return describe_stop(stop)
    if _is_lost_task(error):
        why = (str(error).splitlines() or ["no reason given"])[0]
        return (
            f"a task ended without a result: {why}; others may still run, "
            "`python -m compression report` collects them later"
        )
    if _is_dead_pool(error):
        return f"a worker was killed {_POOLS} times; the same command continues"
    return explain(error)


def _is_lost_task(error: BaseException) -> bool:
    # submitit raises these if a task was cancelled, ran out of time, or its node failed.
    return type(error).__name__ in ("UncompletedJobError", "FailedJobError", "FailedSubmissionError")


def _is_dead_pool(error: BaseException) -> bool:
    return type(error).__name__ in ("TerminatedWorkerError", "BrokenProcessPool")

"""Search beyond a grid: trials drawn one after another. Each is a job of a growing sweep; the best are kept on disk."""

import csv
import hashlib
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from compression.config.compose import compose_job, compose_run
from compression.config.explain import explain
from compression.config.override_text import key_of
from compression.config.schema import MEASURING, Config
from compression.core.errors import InputError, first_line
from compression.core.file_names import METRICS
from compression.reporting.metrics import find_validated
from compression.stage_store.store import make_room_advice
from compression.sweep.axis_names import shorten_key
from compression.sweep.execute import TRAIN
from compression.sweep.gpus import share_gpus, take_gpu
from compression.sweep.hydra_settings import SEARCH_PATH, refuse_hydra_settings
from compression.sweep.job_grid import OF_SWEEP, may_vary, name_job
from compression.sweep.job_names import JobNames
from compression.sweep.jobs import (
    FAILED,
    FINISHED,
    KILLED,
    SEARCH,
    SWEEP,
    Job,
    JobState,
    Sweep,
    read_json,
    read_state,
    read_sweep,
)
from compression.sweep.presence import close_sweep, open_sweep
from compression.sweep.search.space import Space, to_override
from compression.sweep.search.trials import Point, Trial, Trials, require_optuna
from compression.sweep.supervise import is_done, run_job
from compression.system.disk import DiskFullError, disk_full_in_one_line, is_disk_full, mentions_full_disk
from compression.system.files import write_atomic

FRONT_JSON, FRONT_CSV = "front.json", "front.csv"
SCHEMA_VERSION = 1
# A killed job is tried once more, because the memory that it lacked may be free by then.
_ATTEMPTS = 2

Plan = Callable[[Config, Path], Mapping[str, str]]
Run = Callable[[Job, Path], JobState]


def plan_job(config: Config, folder: Path) -> Mapping[str, str]:
    """Return the stage ids of a job by stage, without its measurements. Nothing is trained. Raises InputError."""
    from compression.run.pipeline import plan_stages

    records = plan_stages(config, run_dir=folder)
    return {stage: record.id for stage, record in records.items() if stage not in MEASURING}


def run_trial_job(job: Job, folder: Path) -> JobState:
    """Run ``job`` in a separate process on a free GPU, unless it has already finished. Return its state."""
    if is_done(job, folder):
        return read_state(folder)
    with take_gpu(folder.parent, number=0) as its_gpu:
        return run_job(job, folder=folder, script=TRAIN, environment=its_gpu)


class Search:
    """A search in its folder. The same settings lead to the same folder and continue the search there."""

    def __init__(
        self,
        overrides: Sequence[str],
        space: Space,
        *,
        seed: int,
        plan: Plan = plan_job,
        run: Run = run_trial_job,
    ) -> None:
        """Check ``overrides``, as for train.py, and every key of ``space``; raises InputError."""
        require_optuna()
        # Processes that share the search take one each.
        share_gpus()
        self.overrides = [line for line in overrides if key_of(line) not in ("name", *OF_SWEEP)]
        self.space, self.plan, self.run = space, plan, run
        self.output_dir, name = _check(overrides, self.overrides, space, seed)
        self.folder = (self.output_dir / name).absolute()
        self._remember(seed)
        self.trials = Trials(self.folder, space=space, seed=seed)

    def go_on(self, *, most: int) -> list[Point]:
        """Run trials until there are ``most`` in total, and return the front.

        The front holds the trials that no other beats in both validation accuracy and bytes of the file. Raises
        DiskFullError.
        """
        with disk_full_in_one_line([self.folder], advice=make_room_advice(self.output_dir / "store")):
            open_sweep(self.folder)
            try:
                return self._go_on(most)
            finally:
                close_sweep(self.folder)

    def _go_on(self, most: int) -> list[Point]:
        with self.trials.locked():
            self._write(None)
        while (trial := self.trials.take(most=most)) is not None:
            print(f"{trial.number + 1}/{most}  {self._try(trial)}", flush=True)
            with self.trials.locked():
                self._write_front(most)
        with self.trials.locked():
            return self._write_front(most)

    def _try(self, trial: Trial) -> str:
        """Run one trial, record its result, and return a line about it."""
        overrides = (*self.overrides, *(to_override(key, value) for key, value in trial.values.items()))
        state, job = None, Job(_name(trial, overrides), overrides, dict(trial.values))
        try:
            config, identity = compose_job(overrides)
            job = replace(job, name=self._name_job(trial, identity), identity=identity)
            job = replace(job, stages=self.plan(config, self.folder / job.name))
        # An error of a custom network at some value fails only this trial. A full disk would fail every trial.
        except Exception as error:
            if is_disk_full(error):
                raise
            reason = explain(error) or f"{type(error).__name__}: {first_line(error)}"
            state = JobState(job.name, FAILED, reason, attempts=1)
        folder = self.folder / job.name
        with self.trials.locked():
            self._write(job)
        if state is None:
            state = self._run(job, folder)
        else:
            state.write(folder)
        if mentions_full_disk(state.reason or ""):
            # The trial stays open, so that the same command starts with it.
            raise DiskFullError(state.reason)
        if state.status != FINISHED:
            reason = f"{state.status}: {state.reason}"
            self.trials.fail(trial, job=job.name, reason=reason)
            return f"{job.name}  {reason}"
        try:
            accuracy, num_bytes = read_objectives(folder / METRICS)
        except ValueError as error:
            reason = f"{METRICS}: {error}"
            self.trials.fail(trial, job=job.name, reason=reason)
            return f"{job.name}  {reason}"
        self.trials.finish(trial, job=job.name, val_accuracy=accuracy, num_bytes=num_bytes)
        return f"{job.name}  validation accuracy {100 * accuracy:.2f} %, {num_bytes:,} bytes"

    def _name_job(self, trial: Trial, identity: str) -> str:
        """Return the name of a trial's job: another one than that of a different job with the same values in it."""
        shown = name_job(trial.values, "")
        with self.trials.locked():
            known = read_sweep(self.folder).jobs
        return JobNames(job for job in known if job.name == f"{shown}-{job.digest}").give(trial.values, identity)

    def _run(self, job: Job, folder: Path) -> JobState:
        folder.mkdir(parents=True, exist_ok=True)
        # Two processes may draw the same configuration. The second one then finds the job finished.
        with FileLock(folder / ".trial.lock"):
            state = self.run(job, folder)
            for _ in range(_ATTEMPTS - 1):
                if state.status == KILLED:
                    state = self.run(job, folder)
        return state

    def _remember(self, seed: int) -> None:
        """Write the settings of the search to its folder. Raises InputError if the folder holds another search."""
        path = self.folder / SEARCH
        document = {"schema_version": SCHEMA_VERSION, **_describe(self.overrides, self.space, seed)}
        text = json.dumps(document, indent=1) + "\n"
        if path.exists() and self._read_remembered(path) != json.loads(text):
            raise InputError(f"{self.folder} holds another search ({path.name}): give another name=")
        if not path.exists() and (self.folder / SWEEP).exists():
            raise InputError(f"{self.folder} holds a sweep: give another name=")
        write_atomic(path, text.encode())

    def _read_remembered(self, path: Path) -> Any:
        try:
            return read_json(path)
        except ValueError as error:
            # Without this file the folder would count as that of a sweep.
            raise InputError(f"{path}: {error}; give another name=, or remove the folder") from error

    def _write(self, job: Job | None) -> None:
        """Write ``sweep.json``, and add ``job`` to it if it is new."""
        known = read_sweep(self.folder).jobs if (self.folder / SWEEP).exists() else ()
        added = [job] if job is not None and job.name not in {one.name for one in known} else []
        jobs = (*known, *added)
        try:
            axes = {key: list(dict.fromkeys(job.axes[key] for job in jobs)) for key in self.space}
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{self.folder / SWEEP}: damaged (a job's axes: {error}); give another name=, or remove this file"
            ) from error
        Sweep(self.folder, tuple(sys.argv), axes, jobs).write()

    def _write_front(self, most: int) -> list[Point]:
        front = self.trials.front()
        finished, failed = self.trials.count()
        document = {
            "schema_version": SCHEMA_VERSION,
            "objectives": {"val_accuracy": "up", "bytes": "down"},
            "trials": {"wanted": most, "finished": finished, "failed": failed},
            "front": [_to_json(point) for point in front],
        }
        write_atomic(self.folder / FRONT_JSON, (json.dumps(document, indent=1) + "\n").encode())
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["job", "val_accuracy", "bytes", *self.space])
        for point in front:
            writer.writerow([point.job, point.val_accuracy, point.num_bytes, *point.values.values()])
        write_atomic(self.folder / FRONT_CSV, table.getvalue().encode())
        return front


def read_objectives(metrics: Path) -> tuple[float, int]:
    """Return a run's validation accuracy (a fraction, after its last stage) and the bytes of its file.

    A run that chose epochs by another score gives that score. Both are on held-out training images, never on the test
    set. Raises ValueError in one line if the record is damaged.
    """
    document = read_json(metrics)
    try:
        run, compressed = document["run"], document["compressed"]
        num_bytes, accuracy = int(compressed["bytes"]["artifact"]), float(run["val_accuracy"][find_validated(run)])
        monitor = run.get("monitor", "accuracy")
        return (accuracy if monitor == "accuracy" else float(compressed["val_scores"][monitor])), num_bytes
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"damaged ({type(error).__name__}: {error!s:.80})") from error


def _check(given: Sequence[str], kept: Sequence[str], space: Space, seed: int) -> tuple[Path, str]:
    """Check the settings of a search. Return ``output_dir`` and the name of the search's folder. Raises InputError."""
    config, _ = compose_run(given)
    if not config.evaluates:
        raise InputError(f"until={config.until}: must be {' or '.join(MEASURING)}, because a search measures files")
    refuse_hydra_settings(given, allowed=(SEARCH_PATH,))
    for key, wanted in space.items():
        if not may_vary(key_of(key)):
            raise InputError(f"{key}: cannot be searched; must be the same in all trials")
        if any(key_of(line) == key_of(key) for line in kept):
            raise InputError(f"{key}: is searched and given on the command line: must be one or the other")
        _check_values(kept, key, [to_override(key, value) for value in wanted.ends()])
    if config.name is not None:
        return Path(config.output_dir), config.name
    settings = json.dumps(_describe(kept, space, seed), sort_keys=True)
    parts = ["search", *map(shorten_key, space)]
    return Path(config.output_dir), "-".join([*parts, hashlib.sha256(settings.encode()).hexdigest()[:6]])


def _check_values(overrides: Sequence[str], key: str, lines: Sequence[str]) -> None:
    """Raise InputError if no line in ``lines``, overrides of ``key``, composes.

    One is enough, because a value may be valid only with certain values of another key.
    """
    reasons = []
    for line in lines:
        try:
            compose_job([*overrides, line])
        except InputError as error:
            reasons.append(str(error))
    if len(reasons) == len(lines):
        raise InputError(f"{key}: {reasons[0]}")


def _describe(overrides: Sequence[str], space: Space, seed: int) -> dict[str, object]:
    kept = [line for line in overrides if key_of(line) != "output_dir"]
    return {"overrides": kept, "space": {key: asdict(wanted) for key, wanted in space.items()}, "seed": seed}


def _name(trial: Trial, overrides: Sequence[str]) -> str:
    """Return the name of a job whose configuration cannot be composed."""
    return name_job(trial.values, hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:6])


def _to_json(point: Point) -> dict[str, object]:
    return {
        "job": point.job,
        "trial": point.number,
        "val_accuracy": point.val_accuracy,
        "bytes": point.num_bytes,
        "values": dict(point.values),
    }

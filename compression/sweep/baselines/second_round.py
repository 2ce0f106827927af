"""Second round of a sweep, after its grid: random pruning, then dense networks as small as the grid's files."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from statistics import median
from typing import Any

from msgspec import Struct

from compression.config.compose import compose_job
from compression.config.override_text import key_of
from compression.config.schema import Config
from compression.config.sweep_environment import SweepEnvironment
from compression.core.errors import InputError
from compression.core.file_names import METRICS
from compression.core.json_record import Whole, convert_record
from compression.core.text import shorten
from compression.reporting.kept_epochs import count_kept
from compression.reporting.metrics_schema import Step
from compression.sweep.baselines.overrides import (
    WIDTH,
    compresses,
    dense_overrides,
    is_compressed,
    narrow_overrides,
    own_width,
)
from compression.sweep.baselines.width_search import choose_width, list_widths, settle_width
from compression.sweep.command_words import FOLD
from compression.sweep.job_names import JobNames
from compression.sweep.jobs import FINISHED, SMALL_DENSE, Job, Sweep, keep_others, read_json, read_state
from compression.sweep.supervise import stop_children

# Keys of jobs that repeat one configuration.
_REPEATS = ("seed", FOLD)


class _Bytes(Struct):
    artifact: Whole


class _Compressed(Struct):
    bytes: _Bytes


class _Run(Struct):
    epochs: dict[str, Whole]
    stopped: str | None = None


class _Metrics(Struct):
    """What a matching network needs of a job's metrics."""

    run: _Run
    compressed: _Compressed
    pruning_history: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Target:
    """A finished, compressed job of the grid that a small dense network has to match.

    ``overrides`` train the dense network, still at full width. ``num_bytes`` is the size of the job's file.
    """

    job: Job
    overrides: tuple[str, ...]
    num_bytes: int


def run_second_round(sweep: Sweep, run: Callable[[Sweep, int], None]) -> Sweep:
    """Run the baselines of ``sweep`` if its command requests them. Return the sweep with the added baselines.

    ``run`` runs the job with the given number. A job that fails does not stop the others.
    """
    workers = SweepEnvironment.read().baseline_workers
    if workers is None:
        return sweep
    numbers = [number for number, job in enumerate(sweep.jobs) if job.kind != "grid" and not job.kept]
    _run_all(sweep, numbers, run, workers=workers)
    added = make_small_dense(sweep)
    own = [*sweep.own, *added]
    sweep = replace(sweep, jobs=keep_others(own, sweep.jobs))
    sweep.write()
    _run_all(sweep, range(len(own) - len(added), len(own)), run, workers=workers)
    return sweep


def _run_all(sweep: Sweep, numbers: Sequence[int], run: Callable[[Sweep, int], None], *, workers: int) -> None:
    if workers == 1:
        for number in numbers:
            run(sweep, number)
        return
    # Each job is a process; a thread only waits for it.
    pool = ThreadPoolExecutor(workers)
    try:
        for future in [pool.submit(run, sweep, number) for number in numbers]:
            future.result()
    except BaseException:
        # A signal reaches this thread only. The others wait for the ends of their jobs, and then record them.
        pool.shutdown(wait=False, cancel_futures=True)
        stop_children()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def make_small_dense(sweep: Sweep) -> list[Job]:
    """Return a job for each narrow dense network whose file is about as large as a file of the sweep's grid.

    Jobs of the same network share it. Print a line to stderr for jobs that no network matches, with the reason.
    """
    from compression.run.pipeline import plan_stages
    from compression.sweep.sweep_plan import list_made

    known, given = JobNames(sweep.own), JobNames(sweep.jobs)
    jobs: dict[str, Job] = {}
    refused: dict[str, list[str]] = {}
    matched: dict[tuple[Any, ...], str] = {}
    for target, found in _find_widths(_list_targets(sweep, refused)):
        if isinstance(found, str):
            refused.setdefault(found, []).append(target.job.name)
            continue
        overrides = [*target.overrides, *narrow_overrides(compose_job(target.overrides)[0].model, found)]
        config, identity = compose_job(overrides)
        if known.find(identity) is not None or identity in jobs:
            continue
        axes = {key: value for key, value in target.job.axes.items() if not compresses(key_of(key))}
        # All seeds of one network name the same matched job, so that the report groups them.
        group = (found, *sorted((key, str(value)) for key, value in axes.items() if key not in _REPEATS))
        place = {**axes, WIDTH: found, "matches": matched.setdefault(group, target.job.name)}
        name = given.give({"kind": SMALL_DENSE, **axes, WIDTH: f"width{found:g}"}, identity)
        try:
            stages = plan_stages(config, run_dir=sweep.folder / name)
        except InputError as error:
            refused.setdefault(str(error), []).append(target.job.name)
            continue
        jobs[identity] = Job(
            name,
            tuple(overrides),
            place,
            kind=SMALL_DENSE,
            stages=list_made(stages, sweep.folder / name),
            identity=identity,
        )
    for reason, names in refused.items():
        print(f"no small dense network beside {shorten(names, limit=1)}: {reason}", file=sys.stderr, flush=True)
    return list(jobs.values())


def _list_targets(sweep: Sweep, refused: dict[str, list[str]]) -> list[Target]:
    """Return the finished jobs that compress; a job whose metrics cannot be read goes to ``refused``, by the reason."""
    targets = []
    for job in sweep.own:
        folder = sweep.folder / job.name
        if job.kind != "grid" or read_state(folder).status != FINISHED:
            continue
        config, _ = compose_job(job.overrides)
        if not is_compressed(config):
            continue
        try:
            metrics = convert_record(read_json(folder / METRICS), _Metrics)
        except ValueError as error:
            refused.setdefault(f"{METRICS}: {error}", []).append(job.name)
            continue
        run = metrics.run
        trained = count_kept(run.epochs, metrics.pruning_history, stopped=run.stopped is not None)
        if trained is None:
            refused.setdefault(f"{METRICS}: a pruning_history without updates", []).append(job.name)
            continue
        epochs = _count_epochs(config, trained)
        overrides = dense_overrides(job.overrides, epochs=epochs, taught=config.distillation.teaches)
        targets.append(Target(job, tuple(overrides), metrics.compressed.bytes.artifact))
    return targets


def _count_epochs(config: Config, trained: Mapping[str, int]) -> int:
    """Return how many epochs a dense network needs to be trained as long as the job's network.

    ``trained`` are the epochs by stage of the network in the job's file. The epochs of a teacher do not count.
    """
    whole = config.training.epochs
    if config.distillation.student:
        whole = config.distillation.epochs or whole
    return whole + sum(epochs for stage, epochs in trained.items() if stage not in ("dense", "distil"))


def _find_widths(targets: Sequence[Target]) -> Iterator[tuple[Target, float | str]]:
    """Yield each target with the width that matches it, or with the reason why no width does."""
    files: dict[tuple[str, ...], Files] = {}
    sizes: dict[tuple[str, ...], list[int]] = {}
    for target in targets:
        sizes.setdefault(_without_seed(target.job.overrides), []).append(target.num_bytes)
    for target in targets:
        # The estimated bytes do not depend on the seed of the initial weights.
        unseeded = _without_seed(target.overrides)
        if unseeded not in files:
            files[unseeded] = Files(compose_job(target.overrides)[0])
        # All seeds of a configuration share a width, so that their baselines are seeds of one baseline.
        yield target, files[unseeded].find_width(round(median(sizes[_without_seed(target.job.overrides)])))


def _without_seed(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(line for line in overrides if key_of(line) not in _REPEATS)


class Files:
    """File sizes and parameter counts of one network at different widths, each estimated only once."""

    def __init__(self, config: Config) -> None:
        self.config, self.own = config, own_width(config.model)
        self.count, self.measure = cache(self._count), cache(self._measure)
        self._sizes: dict[int, int] = {}

    def find_width(self, num_bytes: int) -> float | str:
        """Return the width whose file has about ``num_bytes``, or the reason why there is no such width."""
        if self.own is None:
            return f"{self.config.model['_target_']} takes no {WIDTH}"
        widths = list_widths(self.own)
        width = choose_width(num_bytes, widths=widths, measure=self.measure)
        if width is None:
            return "its file is smaller than that of the narrowest network"
        return settle_width(width, widths=widths, count=self.count)

    def _count(self, width: float) -> int | None:
        from compression.run.building.size_estimate import count_network_parameters

        try:
            return count_network_parameters(self.config, model=self._model(width))
        except InputError:
            return None

    def _measure(self, width: float) -> int | None:
        from compression.run.building.size_estimate import estimate_network_bytes

        count = self.count(width)
        if count is not None and count not in self._sizes:
            self._sizes[count] = estimate_network_bytes(self.config, model=self._model(width))
        return None if count is None else self._sizes[count]

    def _model(self, width: float) -> Mapping[str, Any]:
        return {**self.config.model, WIDTH: width}

"""The jobs of a sweep as configurations, ranked: what tables, pictures, picks and recommendations are made from."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.metrics_reader import Latency, Measured
from compression.reporting.result_row import speedup_of
from compression.sweep.axis_names import SHORT_NAMES, shorten_key
from compression.sweep.jobs import RANDOM, SMALL_DENSE
from compression.sweep.report.records import BASELINES, RUN, SEED, JobRecord, SweepRecord
from compression.sweep.report.seeds import Noise, Sample, pool_noise, rank, summarize

# The axis of a small dense job that names the job of the grid it is beside.
MATCHES = "matches"


@dataclass(frozen=True)
class Configuration:
    """Finished jobs that differ in their seed alone.

    ``job`` is the one to ship, of the highest validation accuracy; bytes, sparsity, latency are its own. ``val``,
    ``test`` and the drops (in points) are means over all seeds. ``score`` is what it is chosen by: ``val``, or
    ``test`` where the sweep has no validation; ``drop`` and ``kept``, the fraction of the dense model's, likewise.
    """

    label: str
    kind: str
    axes: Mapping[str, Any]
    job: JobRecord
    num_jobs: int
    num_planned: int
    score: Sample
    val: Sample | None
    test: Sample
    drop: float
    test_drop: float
    kept: float
    ratio: float
    dense_bytes: int
    latency: Latency | None
    speedup: float | None
    place: int = 0
    tied: bool = False

    @property
    def measured(self) -> Measured:
        """The numbers of the job to ship."""
        assert self.job.measured is not None
        return self.job.measured

    @property
    def milliseconds(self) -> float | None:
        """A batch in the fastest engine; None where that is not known."""
        return None if self.latency is None else self.latency.milliseconds

    @property
    def is_baseline(self) -> bool:
        """Whether it is there to be beaten."""
        return self.kind in BASELINES


@dataclass(frozen=True)
class Answer:
    """A sweep made sense of. ``validated``: whether choices are by validation accuracy; if not, by test accuracy."""

    sweep: SweepRecord
    validated: bool
    batch_size: int | None
    configurations: tuple[Configuration, ...]
    noise: Noise | None

    @cached_property
    def unfinished(self) -> list[JobRecord]:
        """The jobs without numbers."""
        return [job for job in self.sweep.jobs if job.measured is None]

    def reference(self, job: JobRecord) -> Measured:
        """Return the run whose dense model ``job`` is held against.

        Its own; that of a small dense network, being small already, is of the job that it matches, in its own seed.
        Where that has no numbers, of a job equal in all axes that both have, or the largest there is.
        """
        assert job.measured is not None
        if job.kind != SMALL_DENSE:
            return job.measured
        matched = self._matchable.get(str(job.axes.get(MATCHES)))
        sibling = None if matched is None else self._by_place.get((_key(matched), job.seed))
        if sibling is not None and sibling.measured is not None:
            return sibling.measured
        known = list(self._by_place.values())
        others = [other for other in known if other.seed == job.seed] or known
        return _largest_dense([other for other in others if _agree(job, other)] or others, default=job.measured)

    @cached_property
    def _matchable(self) -> dict[str, JobRecord]:
        return {job.name: job for job in self.sweep.jobs if job.kind != SMALL_DENSE}

    @cached_property
    def _by_place(self) -> dict[Any, JobRecord]:
        return {(_key(job), job.seed): job for job in self.sweep.finished if job.kind != SMALL_DENSE}


def make_answer(sweep: SweepRecord) -> Answer:
    """Group, rank and compare the finished jobs."""
    finished = sweep.finished
    # Where nothing has finished nothing is known to lack it.
    validated = not finished or any(job.measured.val_accuracy is not None for job in finished if job.measured)
    batch_size = _common_batch_size(finished)
    bare = Answer(sweep=sweep, validated=validated, batch_size=batch_size, configurations=(), noise=None)
    groups = group_by_seed(finished)
    planned = Counter(key for key, _ in {(_key(job), job.seed) for job in sweep.jobs})
    labels = make_labels(sweep)
    made = [
        _make_configuration(bare, jobs, label=labels[jobs[0].name], num_planned=planned[_key(jobs[0])])
        for jobs in groups
        # Numbers of another kind are not ranked among the rest.
        if not validated or all(job.measured and job.measured.val_accuracy is not None for job in jobs)
    ]
    made.sort(key=lambda one: (-one.score.mean, one.measured.bytes, one.job.name))
    noise = pool_noise(_steady(made))
    places = rank([one.score for one in made], noise=noise)
    ranked = tuple(
        Configuration(**{**vars(one), "place": place, "tied": tied})
        for one, (place, tied) in zip(made, places, strict=True)
    )
    return Answer(sweep=sweep, validated=validated, batch_size=batch_size, configurations=ranked, noise=noise)


def group_by_seed(jobs: Iterable[JobRecord]) -> list[list[JobRecord]]:
    """Return lists of jobs equal in kind and all axes but the seed; two of one seed are not one configuration."""
    groups: dict[Any, list[JobRecord]] = {}
    seen: Counter[Any] = Counter()
    for job in jobs:
        key = _key(job)
        seen[key, job.seed] += 1
        groups.setdefault((key, seen[key, job.seed]), []).append(job)
    return list(groups.values())


def make_labels(sweep: SweepRecord) -> dict[str, str]:
    """Return a short name of each job's configuration, e.g. ``s50 w6 a8``; unlike others', seeds aside."""
    # A single run was given its name, or has one that says what it is.
    labels = {job.name: (job.kind != RUN and _describe_axes(job)) or job.name for job in sweep.jobs}
    users: dict[str, set[Any]] = {}
    for job in sweep.jobs:
        users.setdefault(labels[job.name], set()).add(_key(job))
    repeated = {text for text, keys in users.items() if len(keys) > 1}
    return {name: name if text in repeated else text for name, text in labels.items()}


def describe_kind(kind: str) -> str:
    """Return a baseline's kind in words, any other's as it is."""
    return {RANDOM: "random pruning", SMALL_DENSE: "small and dense"}.get(kind, kind)


def _describe_axes(job: JobRecord) -> str:
    words = []
    for key, value in job.axes.items():
        if key in (SEED, MATCHES) or value is None:
            continue
        if key == "sparsity" and isinstance(value, (int, float)):
            words.append(f"s{100 * value:g}")
        elif key in SHORT_NAMES:
            words.append(f"{SHORT_NAMES[key]}{value}")
        elif isinstance(value, str):
            words.append(value)
        else:
            words.append(f"{shorten_key(key)}={value}")
    if job.is_baseline:
        words.insert(0, describe_kind(job.kind))
    return " ".join(words)


def _key(job: JobRecord) -> tuple[str, tuple[tuple[str, str], ...]]:
    return job.kind, tuple(sorted((key, repr(value)) for key, value in job.axes.items() if key != SEED))


def _make_configuration(answer: Answer, jobs: Sequence[JobRecord], *, label: str, num_planned: int) -> Configuration:
    runs = [(job.measured, answer.reference(job)) for job in jobs if job.measured]
    test = summarize([run.accuracy for run, _ in runs])
    vals = [run.val_accuracy for run, _ in runs if run.val_accuracy is not None]
    val = summarize(vals) if len(vals) == len(runs) else None
    dense_test = statistics.fmean(dense.dense_accuracy for _, dense in runs)
    dense_vals = [dense.dense_val_accuracy for _, dense in runs if dense.dense_val_accuracy is not None]
    # A loss is between two numbers of one kind.
    by_val = answer.validated and val is not None and len(dense_vals) == len(runs)
    own, other = (val.mean, statistics.fmean(dense_vals)) if val and by_val else (test.mean, dense_test)
    ship = min(jobs, key=lambda job: _ship_order(job, answer.validated))
    assert ship.measured is not None
    dense = answer.reference(ship)
    latency = ship.measured.latency(answer.batch_size)
    return Configuration(
        label=label,
        kind=ship.kind,
        axes={key: value for key, value in ship.axes.items() if key != SEED},
        job=ship,
        num_jobs=len(jobs),
        num_planned=num_planned,
        score=val if answer.validated and val is not None else test,
        val=val,
        test=test,
        drop=100 * (other - own),
        test_drop=100 * (dense_test - test.mean),
        kept=own / other if other else 1.0,
        ratio=dense.dense_bytes / ship.measured.bytes,
        dense_bytes=dense.dense_bytes,
        latency=latency,
        speedup=speedup_of(latency, dense=dense, own=dense is ship.measured),
    )


def _steady(configurations: Sequence[Configuration]) -> list[Sample]:
    """Return the scores of the grid that have not collapsed: those that have vary much more, from seed to seed."""
    grid = [one.score for one in configurations if not one.is_baseline]
    best = max((score.mean for score in grid), default=0.0)
    return [score for score in grid if 100 * (best - score.mean) <= COLLAPSED_POINTS]


def _ship_order(job: JobRecord, validated: bool) -> tuple[float, int, str]:
    run = job.measured
    assert run is not None
    accuracy = run.val_accuracy if validated and run.val_accuracy is not None else run.accuracy
    return -accuracy, run.bytes, job.name


def _agree(job: JobRecord, other: JobRecord) -> bool:
    return all(other.axes[key] == value for key, value in job.axes.items() if key in other.axes)


def _largest_dense(jobs: Iterable[JobRecord], *, default: Measured) -> Measured:
    return max((job.measured for job in jobs if job.measured), key=lambda run: run.dense_bytes, default=default)


def _common_batch_size(jobs: Iterable[JobRecord]) -> int | None:
    """Return the batch size that most jobs were timed with, the smallest of several."""
    sizes = Counter(size for job in jobs if job.measured for size in {e.batch_size for e in job.measured.latencies})
    return min(sizes, key=lambda size: (-sizes[size], size), default=None)

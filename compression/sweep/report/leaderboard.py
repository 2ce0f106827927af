"""Ranking of a sweep's configurations: jobs grouped over seeds. Tables, pictures and picks are made from it."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from compression.core.class_scores import MONITORS
from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.metrics_reader import Latency, Measured
from compression.reporting.result_row import speedup_of
from compression.sweep.axis_names import SHORT_NAMES, shorten_key
from compression.sweep.command_words import FOLD
from compression.sweep.jobs import RANDOM, SMALL_DENSE
from compression.sweep.report.actual_bits import describe_actual
from compression.sweep.report.pooled_classes import PooledClasses, pool_classes
from compression.sweep.report.records import BASELINES, REPEATS, RUN, JobRecord, SweepRecord
from compression.sweep.report.seeds import Noise, Sample, pool_noise, rank, summarize

# The axis of a small dense job that names the job of the grid it matches in size.
MATCHES = "matches"


@dataclass(frozen=True)
class Configuration:
    """Finished jobs that differ only in their seed or fold.

    ``job`` is the one to ship: it has the highest validation score, and bytes, sparsity and latency are its own.
    ``val`` and ``test`` are means over all seeds and folds of the sweep's score: accuracy, or the ``monitor`` of
    `Ranking`. Choices are based on ``score``, which is ``val``, or ``test`` if the sweep has no validation. ``drop`` is
    the loss of that score in points, ``kept`` is its fraction of the dense model's, and ``test_drop`` is the loss of
    ``test`` in points. ``actual`` is the arithmetic of the files in words; several, if seeds were made on different
    processors. ``ratio`` is ``dense_bytes`` over the bytes of the file. ``place`` counts from 1 and is shared if
    ``tied``. ``pooled`` are figures by class over all folds.
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
    actual: tuple[str, ...] = ()
    place: int = 0
    tied: bool = False
    pooled: PooledClasses | None = None

    @property
    def measured(self) -> Measured:
        """The measured numbers of the job to ship."""
        assert self.job.measured is not None
        return self.job.measured

    @property
    def milliseconds(self) -> float | None:
        """Median milliseconds of a batch in the fastest engine; None if it was not timed."""
        return None if self.latency is None else self.latency.milliseconds

    @property
    def engine(self) -> str | None:
        """The fastest engine that executes the file: the one of ``milliseconds``."""
        return None if self.latency is None else self.latency.engine

    @property
    def is_baseline(self) -> bool:
        """Whether this is a baseline rather than a configuration of the grid."""
        return self.kind in BASELINES


@dataclass(frozen=True)
class Ranking:
    """The ranked configurations of a sweep.

    With ``validated``, choices are based on the validation score, otherwise on the test score. ``monitor`` says which
    score: accuracy, balanced_accuracy or macro_f1. ``batch_size`` is the one that latencies are compared at. ``noise``
    is the deviation among seeds, None if it is unknown.
    """

    sweep: SweepRecord
    validated: bool
    batch_size: int | None
    configurations: tuple[Configuration, ...]
    noise: Noise | None
    monitor: str = "accuracy"

    @property
    def score_name(self) -> str:
        """The score in words, e.g. ``balanced accuracy``."""
        return MONITORS[self.monitor]

    @property
    def repeats_name(self) -> str:
        """What the jobs of a configuration differ in: ``seeds``, ``folds``, or ``runs`` if in both."""
        folds, seeds = (len(self.sweep.axes.get(key, ())) > 1 for key in (FOLD, "seed"))
        return "runs" if folds and seeds else "folds" if folds else "seeds"

    @property
    def shows_classes(self) -> bool:
        """Whether tables show intervals and the worst class: with an analysis, with folds, or where they decide."""
        analyzed = any(one.measured.failures is not None for one in self.configurations)
        return self.stresses_classes or (analyzed and self._has_classes)

    @property
    def stresses_classes(self) -> bool:
        """Whether figures by class also stand in a terminal: with folds, or where they decide."""
        return self._has_classes and (self.monitor != "accuracy" or self.repeats_name != "seeds")

    @property
    def _has_classes(self) -> bool:
        return any(one.pooled is not None for one in self.configurations)

    @cached_property
    def unfinished(self) -> list[JobRecord]:
        """The jobs without measured numbers."""
        return [job for job in self.sweep.jobs if job.measured is None]

    def reference(self, job: JobRecord) -> Measured:
        """Return the run whose dense model ``job`` is compared with.

        For most jobs it is the job's own run. The dense model of a small dense job is small itself, so that job is
        compared with the job that it matches, in its own seed. If that one has no numbers, use the largest dense model
        among the finished jobs: of those with the same seed, if any, and of those equal in all common axes, if any.
        """
        assert job.measured is not None
        if job.kind != SMALL_DENSE:
            return job.measured
        matched = self._matchable.get(str(job.axes.get(MATCHES)))
        sibling = None if matched is None else self._by_place.get((_key(matched), job.repeat))
        if sibling is not None and sibling.measured is not None:
            return sibling.measured
        known = list(self._by_place.values())
        others = [other for other in known if other.repeat == job.repeat] or known
        return _largest_dense([other for other in others if _agree(job, other)] or others, default=job.measured)

    @cached_property
    def _matchable(self) -> dict[str, JobRecord]:
        return {job.name: job for job in self.sweep.jobs if job.kind != SMALL_DENSE}

    @cached_property
    def _by_place(self) -> dict[Any, JobRecord]:
        return {(_key(job), job.repeat): job for job in self.sweep.finished if job.kind != SMALL_DENSE}


def rank_sweep(sweep: SweepRecord) -> Ranking:
    """Group the finished jobs into configurations, compare each with its dense model, and rank them."""
    finished = sweep.finished
    monitor = choose_common_monitor([job.measured for job in finished if job.measured])
    # Without a finished job, nothing shows that validation accuracy is missing.
    validated = not finished or any(job.measured.val_score(monitor) is not None for job in finished if job.measured)
    batch_size = _common_batch_size(finished)
    bare = Ranking(
        sweep=sweep, validated=validated, batch_size=batch_size, configurations=(), noise=None, monitor=monitor
    )
    groups = group_by_seed(finished)
    planned = Counter(key for key, _ in {(_key(job), job.repeat) for job in sweep.jobs})
    labels = make_labels(sweep)
    made = [
        _make_configuration(bare, jobs, label=labels[jobs[0].name], num_planned=planned[_key(jobs[0])])
        for jobs in groups
        # A job without validation accuracy cannot be ranked among those that have it.
        if not validated or all(job.measured and job.measured.val_score(monitor) is not None for job in jobs)
    ]
    made.sort(key=lambda one: (-one.score.mean, one.measured.bytes, one.job.name))
    noise = pool_noise(_steady(made))
    places = rank([one.score for one in made], noise=noise)
    ranked = tuple(
        Configuration(**{**vars(one), "place": place, "tied": tied})
        for one, (place, tied) in zip(made, places, strict=True)
    )
    return replace(bare, configurations=ranked, noise=noise)


def choose_common_monitor(runs: Sequence[Measured]) -> str:
    """Return the score that the runs of a sweep are compared by.

    It is the score that all of them chose epochs by. If they differ, it is balanced accuracy. If some record does not
    have that score, it is accuracy.
    """
    wanted = {run.monitor for run in runs}
    monitor = wanted.pop() if len(wanted) == 1 else "balanced_accuracy" if wanted else "accuracy"
    found = (score for run in runs for score in (run.score(monitor), run.dense_score(monitor)))
    return "accuracy" if any(score is None for score in found) else monitor


def group_by_seed(jobs: Iterable[JobRecord]) -> list[list[JobRecord]]:
    """Return the jobs in groups that are equal in kind and in all axes except the seed and the fold.

    A group holds each seed and fold once: a second job with the same ones starts another group.
    """
    groups: dict[Any, list[JobRecord]] = {}
    seen: Counter[Any] = Counter()
    for job in jobs:
        key = _key(job)
        seen[key, job.repeat] += 1
        groups.setdefault((key, seen[key, job.repeat]), []).append(job)
    return list(groups.values())


def make_labels(sweep: SweepRecord) -> dict[str, str]:
    """Return a short, unique label of each job's configuration, e.g. ``s50 w6 a8``, by the job's name.

    Seeds of one configuration share a label. If two configurations have the same label, use the jobs' names instead.
    """
    # The name of a single run was chosen by the user or describes the run.
    labels = {job.name: (job.kind != RUN and _describe_axes(job)) or job.name for job in sweep.jobs}
    users: dict[str, set[Any]] = {}
    for job in sweep.jobs:
        users.setdefault(labels[job.name], set()).add(_key(job))
    repeated = {text for text, keys in users.items() if len(keys) > 1}
    return {name: name if text in repeated else text for name, text in labels.items()}


def describe_kind(kind: str) -> str:
    """Return the kind of a baseline in words, and any other kind unchanged."""
    return {RANDOM: "random pruning", SMALL_DENSE: "small and dense"}.get(kind, kind)


def _describe_axes(job: JobRecord) -> str:
    words = describe_axes(job.axes)
    if not words and job.axes.get(FOLD) is not None:
        words.append("cross-validation")
    if job.is_baseline:
        words.insert(0, describe_kind(job.kind))
    return " ".join(words)


def describe_axes(axes: Mapping[str, Any]) -> list[str]:
    """Return a word for each setting, without seed and fold, e.g. ``s50``, ``w6`` and ``gmp``."""
    words = []
    for key, value in axes.items():
        if key in (*REPEATS, MATCHES) or value is None:
            continue
        if key == "sparsity" and isinstance(value, (int, float)):
            words.append(f"s{100 * value:g}")
        elif key in SHORT_NAMES:
            words.append(f"{SHORT_NAMES[key]}{value}")
        elif isinstance(value, str):
            words.append(value)
        else:
            words.append(f"{shorten_key(key)}={value}")
    return words


def _key(job: JobRecord) -> tuple[str, tuple[tuple[str, str], ...]]:
    return job.kind, tuple(sorted((key, repr(value)) for key, value in job.axes.items() if key not in REPEATS))


def _make_configuration(ranking: Ranking, jobs: Sequence[JobRecord], *, label: str, num_planned: int) -> Configuration:
    runs = [(job.measured, ranking.reference(job)) for job in jobs if job.measured]
    monitor = ranking.monitor
    test = summarize(_known(run.score(monitor) for run, _ in runs))
    vals = _known(run.val_score(monitor) for run, _ in runs)
    val = summarize(vals) if len(vals) == len(runs) else None
    dense_test = statistics.fmean(_known(dense.dense_score(monitor) for _, dense in runs))
    dense_vals = _known(dense.dense_val_score(monitor) for _, dense in runs)
    # A loss must compare two scores of the same kind, validation or test.
    by_val = ranking.validated and val is not None and len(dense_vals) == len(runs)
    own, other = (val.mean, statistics.fmean(dense_vals)) if val and by_val else (test.mean, dense_test)
    ship = min(jobs, key=lambda job: _ship_order(job, ranking))
    assert ship.measured is not None
    dense = ranking.reference(ship)
    latency = ship.measured.latency(ranking.batch_size)
    return Configuration(
        label=label,
        kind=ship.kind,
        axes={key: value for key, value in ship.axes.items() if key not in REPEATS},
        job=ship,
        num_jobs=len(jobs),
        num_planned=num_planned,
        score=val if ranking.validated and val is not None else test,
        val=val,
        test=test,
        drop=100 * (other - own),
        test_drop=100 * (dense_test - test.mean),
        kept=own / other if other else 1.0,
        ratio=dense.dense_bytes / ship.measured.bytes,
        dense_bytes=dense.dense_bytes,
        latency=latency,
        speedup=speedup_of(latency, dense=dense, own=dense is ship.measured),
        actual=tuple(dict.fromkeys(describe_actual(run) for run, _ in runs)),
        pooled=pool_classes(jobs, ship=ship),
    )


def _known(scores: Iterable[float | None]) -> list[float]:
    return [score for score in scores if score is not None]


def _steady(configurations: Sequence[Configuration]) -> list[Sample]:
    """Return the grid's scores without collapsed ones, because these vary much more from seed to seed."""
    grid = [one.score for one in configurations if not one.is_baseline]
    best = max((score.mean for score in grid), default=0.0)
    return [score for score in grid if 100 * (best - score.mean) <= COLLAPSED_POINTS]


def _ship_order(job: JobRecord, ranking: Ranking) -> tuple[float, int, str]:
    run = job.measured
    assert run is not None
    val, test = run.val_score(ranking.monitor), run.score(ranking.monitor)
    assert test is not None
    return -(val if ranking.validated and val is not None else test), run.bytes, job.name


def _agree(job: JobRecord, other: JobRecord) -> bool:
    return all(other.axes[key] == value for key, value in job.axes.items() if key in other.axes)


def _largest_dense(jobs: Iterable[JobRecord], *, default: Measured) -> Measured:
    return max((job.measured for job in jobs if job.measured), key=lambda run: run.dense_bytes, default=default)


def _common_batch_size(jobs: Iterable[JobRecord]) -> int | None:
    """Return the batch size that most jobs were timed with; among equally frequent sizes the smallest."""
    sizes = Counter(size for job in jobs if job.measured for size in {e.batch_size for e in job.measured.latencies})
    return min(sizes, key=lambda size: (-sizes[size], size), default=None)

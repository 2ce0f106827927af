"""The ranked configurations of a sweep. Tables, pictures and picks are made from them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from compression.core.class_scores import MONITORS
from compression.reporting.metrics_reader import Latency, Measured
from compression.sweep.command_words import FOLD
from compression.sweep.jobs import SMALL_DENSE
from compression.sweep.report.configuration_labels import MATCHES, configuration_key
from compression.sweep.report.pooled_classes import PooledClasses
from compression.sweep.report.records import BASELINES, JobRecord, SweepRecord
from compression.sweep.report.seeds import Noise, Sample


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
    def incomparable(self) -> str | None:
        """Why nothing can be chosen among the finished jobs, if they are known to have different images; or None."""
        known = {job.measured.fingerprint for job in self.sweep.finished if job.measured} - {None}
        if len(known) < 2:
            return None
        return f"the runs have {len(known)} different sets of images (see fingerprint), so their scores do not compare"

    @cached_property
    def unfinished(self) -> list[JobRecord]:
        """The jobs without measured numbers."""
        return [job for job in self.sweep.jobs if job.measured is None]

    def reference(self, job: JobRecord) -> Measured:
        """Return the run whose dense model ``job`` is compared with.

        For most jobs it is the job's own run. The dense model of a small dense job is small itself, so that job is
        compared with the job that it matches, in its own seed. If that one has no numbers, use the largest dense model
        among the finished jobs: of those with the same seed, if any, then of those equal in all common axes, if any,
        and then of those that the same command includes, if any.
        """
        assert job.measured is not None
        if job.kind != SMALL_DENSE:
            return job.measured
        matched = self._matchable.get(str(job.axes.get(MATCHES)))
        if matched is not None and matched.measured is not None and matched.repeat == job.repeat:
            return matched.measured
        sibling = None if matched is None else self._by_place.get((configuration_key(matched), job.repeat))
        if sibling is not None and sibling.measured is not None:
            return sibling.measured
        others = [other for other in self.sweep.finished if other.kind != SMALL_DENSE]
        others = [other for other in others if other.repeat == job.repeat] or others
        others = [other for other in others if _agree(job, other)] or others
        others = [other for other in others if other.kept == job.kept] or others
        return _largest_dense(others, default=job.measured)

    @cached_property
    def _matchable(self) -> dict[str, JobRecord]:
        return {job.name: job for job in self.sweep.jobs if job.kind != SMALL_DENSE}

    @cached_property
    def _by_place(self) -> dict[Any, JobRecord]:
        # Later ones replace earlier ones, so the jobs of the last command come last.
        jobs = sorted(self.sweep.finished, key=lambda job: not job.kept)
        return {(configuration_key(job), job.repeat): job for job in jobs if job.kind != SMALL_DENSE}


def _agree(job: JobRecord, other: JobRecord) -> bool:
    return all(other.axes[key] == value for key, value in job.axes.items() if key in other.axes)


def _largest_dense(jobs: Iterable[JobRecord], *, default: Measured) -> Measured:
    return max((job.measured for job in jobs if job.measured), key=lambda run: run.dense_bytes, default=default)

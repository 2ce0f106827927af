"""The dense models of a sweep: a row of every table, so that each loss stands beside what it is measured against."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compression.reporting.metrics_reader import Latency
from compression.sweep.report.configuration_labels import describe_axes, group_by_seed
from compression.sweep.report.records import REPEATS, JobRecord
from compression.sweep.report.seeds import Sample, summarize
from compression.sweep.report.sweep_ranking import Ranking


@dataclass(frozen=True)
class DenseModel:
    """A dense model with its mean scores over seeds and folds.

    ``num`` trainings are counted. ``val`` and ``test`` are of the sweep's score, and ``score`` is the one of both that
    choices are based on. ``milliseconds`` is the median of a batch in ``engine``, the fastest for it; None if it was
    not timed or is not on record.
    """

    label: str
    num: int
    score: Sample
    val: Sample | None
    test: Sample
    bytes: int
    milliseconds: float | None
    engine: str | None


def list_dense_models(ranking: Ranking) -> list[DenseModel]:
    """Return one model for each dense network of the grid, in the order of the plan.

    Configurations that share a training share the model. If there are several, each is named by the settings that
    only its own configurations have, e.g. ``dense resnet18``.
    """
    groups = _group_jobs(ranking)
    return [_make(ranking, group, _name(group, groups)) for group in groups]


def list_dense_trainings(ranking: Ranking) -> Iterator[tuple[str, list[JobRecord]]]:
    """Yield the label of each dense training, and the jobs that are compared with it."""
    groups = _group_jobs(ranking)
    for group in groups:
        for sharing in _by_training(group).values():
            yield _name(group, groups), sharing


def _group_jobs(ranking: Ranking) -> list[list[JobRecord]]:
    """Return the finished jobs of the grid by dense network."""
    jobs = [job for job in ranking.sweep.finished if not job.is_baseline] or ranking.sweep.finished
    return _join(group_by_seed(jobs))


def _join(groups: Iterable[Sequence[JobRecord]]) -> list[list[JobRecord]]:
    """Return the groups, joined where they share a dense training."""
    joined: list[list[JobRecord]] = []
    for group in groups:
        own = {_identify(job) for job in group}
        sharing = [other for other in joined if own & {_identify(job) for job in other}]
        merged = [job for other in sharing for job in other] + [*group]
        joined = [other for other in joined if not any(other is one for one in sharing)]
        joined.append(merged)
    return joined


def _identify(job: JobRecord) -> Any:
    run = job.measured
    assert run is not None
    # A record without ids is known by its numbers.
    numbers = (run.dense_bytes, run.dense_accuracy, run.dense_val_accuracy, *job.repeat)
    return run.stages.get("dense") or numbers


def _by_training(jobs: Iterable[JobRecord]) -> dict[Any, list[JobRecord]]:
    found: dict[Any, list[JobRecord]] = {}
    for job in jobs:
        found.setdefault(_identify(job), []).append(job)
    return found


def time_dense(ranking: Ranking, jobs: Iterable[JobRecord]) -> tuple[float | None, str | None]:
    """Return the median over ``jobs`` of the milliseconds of their dense model, and the engine that was the fastest."""
    timed = [one for job in jobs if job.measured and (one := job.measured.latency(ranking.batch_size)) is not None]
    milliseconds = statistics.median(one.dense_milliseconds for one in timed) if timed else None
    return milliseconds, _common_engine(timed)


def _make(ranking: Ranking, jobs: Sequence[JobRecord], label: str) -> DenseModel:
    runs = [sharing[0].measured for sharing in _by_training(jobs).values() if sharing[0].measured]
    monitor = ranking.monitor
    tests = [score for run in runs if (score := run.dense_score(monitor)) is not None]
    vals = [score for run in runs if (score := run.dense_val_score(monitor)) is not None]
    test = summarize(tests)
    val = summarize(vals) if len(vals) == len(runs) else None
    milliseconds, engine = time_dense(ranking, jobs)
    return DenseModel(
        label=label,
        num=len(runs),
        score=val if ranking.validated and val is not None else test,
        val=val,
        test=test,
        bytes=runs[0].dense_bytes,
        milliseconds=milliseconds,
        engine=engine,
    )


def _common_engine(timed: Sequence[Latency]) -> str | None:
    engines = [one.dense_engine for one in timed if one.dense_engine is not None]
    return statistics.mode(engines) if engines else None


def _name(group: Sequence[JobRecord], groups: Sequence[Sequence[JobRecord]]) -> str:
    if len(groups) == 1:
        return "dense"
    own = _common_axes(group)
    others = [_common_axes(other) for other in groups if other is not group]
    distinct = {key: value for key, value in own.items() if all(other.get(key, value) != value for other in others)}
    return " ".join(["dense", *describe_axes(distinct)])


def _common_axes(jobs: Sequence[JobRecord]) -> Mapping[str, Any]:
    """Return the axes, apart from seed and fold, that all jobs have at the same value."""
    first, *others = (job.axes for job in jobs)
    return {
        key: value
        for key, value in first.items()
        if key not in REPEATS and all(repr(other.get(key)) == repr(value) for other in others)
    }

"""The ranking of a sweep's configurations: jobs grouped over seeds, compared with their dense models and ordered."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from compression.reporting.collapse import COLLAPSED_POINTS
from compression.reporting.metrics_reader import Measured
from compression.reporting.result_row import speedup_of
from compression.sweep.report.actual_bits import describe_actual
from compression.sweep.report.configuration_labels import configuration_key, group_by_seed, make_labels
from compression.sweep.report.pooled_classes import pool_classes
from compression.sweep.report.records import REPEATS, JobRecord, SweepRecord
from compression.sweep.report.seeds import Sample, pool_noise, rank, summarize
from compression.sweep.report.sweep_ranking import Configuration, Ranking


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
    planned = Counter(key for key, _ in {(configuration_key(job), job.repeat) for job in sweep.jobs})
    labels = make_labels(sweep)
    made = [
        _make_configuration(bare, jobs, label=labels[jobs[0].name], num_planned=planned[configuration_key(jobs[0])])
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


def _common_batch_size(jobs: Iterable[JobRecord]) -> int | None:
    """Return the batch size that most jobs were timed with; among equally frequent sizes the smallest."""
    sizes = Counter(size for job in jobs if job.measured for size in {e.batch_size for e in job.measured.latencies})
    return min(sizes, key=lambda size: (-sizes[size], size), default=None)

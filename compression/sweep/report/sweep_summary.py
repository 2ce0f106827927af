"""The summary of a sweep as plain data, for ``results.json`` and ``summary.yaml``."""

from collections import Counter
from typing import Any

from compression.sweep.jobs import STATUSES
from compression.sweep.report.dense_models import DenseModel, list_dense_models
from compression.sweep.report.picks import Pick, describe_tie
from compression.sweep.report.pooled_classes import PooledClasses
from compression.sweep.report.seeds import Sample
from compression.sweep.report.sweep_ranking import Configuration, Ranking
from compression.sweep.report.sweep_result import SweepResult
from compression.sweep.report.sweep_sentences import describe_tie_rule, list_notes

SCHEMA_VERSION = 1


def make_summary(result: SweepResult) -> dict[str, Any]:
    """Return the summary as plain data, without the table of jobs. Configurations are in the order of their rank."""
    ranking = result.ranking
    counts = Counter(job.status for job in ranking.sweep.jobs)
    return {
        "schema_version": SCHEMA_VERSION,
        "sweep": ranking.sweep.folder.resolve().name,
        "command": list(ranking.sweep.command),
        "axes": {key: list(values) for key, values in ranking.sweep.axes.items()},
        "notes": list_notes(ranking),
        "counts": {status: counts[status] for status in STATUSES if counts[status]},
        "chosen_by": f"val_{ranking.monitor}" if ranking.validated else ranking.monitor,
        "seed_noise": None
        if ranking.noise is None
        else {"deviation_points": 100 * ranking.noise.deviation, "degrees_of_freedom": ranking.noise.freedom},
        "picks": [_pick_to_json(ranking, pick) for pick in result.picks],
        "fronts": {
            against: {
                "members": [one.job.name for one in front.members],
                "unbeaten_baselines": [one.job.name for one in front.unbeaten_baselines],
            }
            for against, front in result.fronts.items()
        },
        "dense": [_dense_to_json(ranking, one) for one in list_dense_models(ranking)] if ranking.configurations else [],
        "leaderboard": [_configuration_to_json(ranking, one) for one in ranking.configurations],
        "unfinished": [{"job": job.name, "status": job.status, "reason": job.reason} for job in result.unfinished],
    }


def _pick_to_json(ranking: Ranking, pick: Pick) -> dict[str, Any]:
    return {
        "title": pick.title,
        "rule": f"{pick.rule}. {describe_tie_rule(ranking)}",
        "job": None if pick.chosen is None else pick.chosen.job.name,
        "reason": pick.reason,
        "tie": None if pick.chosen is None else describe_tie(pick.chosen, pick.tied),
        "tied_with": [one.job.name for one in pick.tied],
        "baseline": pick.chosen is not None and pick.chosen.is_baseline,
        "best_of_grid": None if pick.of_grid is None else pick.of_grid.job.name,
    }


def _configuration_to_json(ranking: Ranking, one: Configuration) -> dict[str, Any]:
    return {
        "place": one.place,
        "tied": one.tied,
        "configuration": one.label,
        "kind": one.kind,
        "axes": dict(one.axes),
        "ship": one.job.name,
        "seeds": one.num_jobs,
        "seeds_planned": one.num_planned,
        f"val_{ranking.monitor}": _sample_to_json(one.val),
        ranking.monitor: _sample_to_json(one.test),
        "score_drop_points": one.test_drop,
        "arithmetic": list(one.actual),
        "sparsity": one.measured.sparsity,
        "bytes": one.measured.bytes,
        "compression_ratio": one.ratio,
        "latency_ms": one.milliseconds,
        "latency_engine": one.engine,
        "speedup": one.speedup,
        **({"pooled": _pooled_to_json(one.pooled)} if ranking.shows_classes else {}),
    }


def _dense_to_json(ranking: Ranking, one: DenseModel) -> dict[str, Any]:
    return {
        "model": one.label,
        "seeds": one.num,
        f"val_{ranking.monitor}": _sample_to_json(one.val),
        ranking.monitor: _sample_to_json(one.test),
        "bytes": one.bytes,
        "latency_ms": one.milliseconds,
        "latency_engine": one.engine,
    }


def _pooled_to_json(pooled: PooledClasses | None) -> dict[str, Any] | None:
    """Return the figures by class over the test images of all folds, each image once."""
    if pooled is None:
        return None
    return {
        "test_images": pooled.images,
        "accuracy": pooled.accuracy._asdict(),
        "balanced_accuracy": pooled.balanced._asdict(),
        "worst_class": {"name": pooled.worst_name, **pooled.worst._asdict()},
    }


def _sample_to_json(sample: Sample | None) -> dict[str, Any] | None:
    return None if sample is None else {"mean": sample.mean, "half_width": sample.half_width, "seeds": sample.num}

"""A sweep from its ``results.csv`` alone, for a folder whose jobs are gone, e.g. a published record."""

import csv
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compression.core.class_scores import MONITORS
from compression.core.errors import InputError
from compression.core.file_names import RESULTS
from compression.reporting.metrics_reader import Latency, Measured, Span
from compression.reporting.metrics_schema import Failures, Share, WorstClass
from compression.sweep.jobs import BROKEN, FINISHED
from compression.sweep.report.axis_values import parse_value
from compression.sweep.report.dense_rows import DENSE
from compression.sweep.report.job_table import AXIS
from compression.sweep.report.records import SEED, JobRecord, SweepRecord

_LATENCY = re.compile(r"latency_(?P<engine>.+)_b(?P<size>\d+)_ms")


def read_results(folder: Path) -> SweepRecord:
    """Return the jobs of ``results.csv`` in ``folder``. Raises InputError if the file has none, or is another table.

    The table has no pruning steps and no commands.
    """
    path = folder / RESULTS
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
        jobs = tuple(_read_job(row) for row in rows if row["kind"] != DENSE)
    except (OSError, UnicodeError, csv.Error, LookupError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is not the table of a sweep: {type(error).__name__}: {error}") from error
    if not jobs:
        raise InputError(f"{path}: has no rows")
    axes: dict[str, list[Any]] = {}
    for job in jobs:
        for key, value in job.axes.items():
            if value is not None and value not in axes.setdefault(key, []):
                axes[key].append(value)
    return SweepRecord(folder=folder, jobs=jobs, axes={key: tuple(values) for key, values in axes.items()})


def _read_job(row: Mapping[str, str]) -> JobRecord:
    axes = {
        key.removeprefix(AXIS): parse_value(value) if value else None
        for key, value in row.items()
        if key is not None and key.startswith(AXIS)
    }
    if row.get(SEED):
        axes[SEED] = int(row[SEED])
    name, status = row["job"], row["status"]
    if Path(name).name != name or name in ("", ".."):
        raise ValueError(f"job={name!r:.80}: must be the name of a folder")
    measured, reason = None, row.get("reason") or None
    if status == FINISHED:
        measured = _measure(row)
        if not 0 <= measured.accuracy <= 1 or min(measured.bytes, measured.dense_bytes, measured.macs) < 1:
            status, measured, reason = BROKEN, None, "numbers out of range"
    return JobRecord(
        name=name,
        kind=row["kind"],
        axes=axes,
        overrides=(),
        status=status,
        reason=reason,
        seconds=_number(row, "seconds"),
        measured=measured,
    )


def _measure(row: Mapping[str, str]) -> Measured:
    stages = json.loads(row.get("stages") or "{}")
    monitor = row.get("monitor") or "accuracy"
    if monitor not in MONITORS:
        raise ValueError(f"monitor={monitor!r:.40}: must be one of {', '.join(MONITORS)}")
    return Measured(
        accuracy=float(row["accuracy"]),
        val_accuracy=_number(row, "val_accuracy"),
        dense_accuracy=float(row["dense_accuracy"]),
        dense_val_accuracy=_number(row, "dense_val_accuracy"),
        sparsity=float(row["sparsity"]),
        bytes=int(row["bytes"]),
        dense_bytes=int(row["dense_bytes"]),
        macs=int(row["macs"]),
        dense_macs=int(row["dense_macs"]),
        parameters=_count(row, "parameters"),
        nonzero_parameters=_count(row, "nonzero_parameters"),
        test_images=_count(row, "test_images"),
        fingerprint=row.get("fingerprint") or None,
        weight_bits=_count(row, "weight_bits"),
        activation_bits=_count(row, "activation_bits"),
        actual_weight_bits=_span(row, "actual_weight_bits"),
        actual_activation_bits=_span(row, "actual_activation_bits"),
        arithmetic=row.get("arithmetic") or None,
        reduced_range={"1": True, "0": False}.get(row.get("reduced_range") or ""),
        processor=row.get("processor") or None,
        target_sparsity=_number(row, "target_sparsity"),
        seed=_count(row, SEED),
        threads=_count(row, "threads"),
        stages=stages if isinstance(stages, dict) else {},
        latencies=tuple(_read_latencies(row)),
        monitor=monitor,
        scores=_score(row, monitor, "score"),
        val_scores=_score(row, monitor, "val_score"),
        dense_scores=_score(row, monitor, "dense_score"),
        dense_val_scores=_score(row, monitor, "dense_val_score"),
        failures=_read_failures(row),
        classes={
            str(name): (int(pair[0]), int(pair[1])) for name, pair in json.loads(row.get("classes") or "{}").items()
        },
    )


def _score(row: Mapping[str, str], monitor: str, key: str) -> dict[str, float]:
    value = _number(row, key)
    return {} if value is None else {monitor: value}


def _span(row: Mapping[str, str], key: str) -> Span | None:
    low, high = _count(row, f"{key}_min"), _count(row, f"{key}_max")
    return None if low is None or high is None else (low, high)


def _read_failures(row: Mapping[str, str]) -> Failures | None:
    """Return the figures of an analysis; None if the table has none, as that of an earlier version."""
    if not row.get("worst_class"):
        return None
    accuracy, balanced = (
        Share(float(row[name]), low=float(row[f"{name}_low"]), high=float(row[f"{name}_high"]))
        for name in ("accuracy", "balanced_accuracy")
    )
    worst = WorstClass(row["worst_class"], recall=float(row["worst_class_accuracy"]))
    return Failures(accuracy=accuracy, balanced_accuracy=balanced, worst_class=worst)


def _read_latencies(row: Mapping[str, str]) -> list[Latency]:
    found = []
    for key, value in row.items():
        match = _LATENCY.fullmatch(key or "")
        if match is None or not value:
            continue
        stem = f"{match['engine']}_b{match['size']}"
        speedup = _number(row, f"speedup_{stem}") or 1.0
        found.append(
            Latency(
                engine=match["engine"],
                batch_size=int(match["size"]),
                milliseconds=float(value),
                p10=_number(row, f"latency_{stem}_p10_ms") or float(value),
                p90=_number(row, f"latency_{stem}_p90_ms") or float(value),
                speedup=speedup,
                speedup_p10=None,
                speedup_p90=None,
                # The table has no latency of the dense model; its speed-up is a median of ratios, close to this.
                dense_milliseconds=float(value) * speedup,
            )
        )
    return found


def _number(row: Mapping[str, str], key: str) -> float | None:
    if not row.get(key):
        return None
    found = float(row[key])
    if not math.isfinite(found):
        raise ValueError(f"{key}={row[key]:.40}: must be a finite number")
    return found


def _count(row: Mapping[str, str], key: str) -> int | None:
    return int(float(row[key])) if row.get(key) else None

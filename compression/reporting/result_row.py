"""The results of one run as a row, for the table of a sweep and for TensorBoard's HParams table."""

from typing import Any

from compression.reporting.metrics_reader import Latency, Measured, Span

# Columns of an analysis, in order.
FAILURE_COLUMNS = (
    *("accuracy_low", "accuracy_high", "balanced_accuracy", "balanced_accuracy_low", "balanced_accuracy_high"),
    *("worst_class", "worst_class_accuracy"),
)


def make_result_row(
    run: Measured, *, dense: Measured, batch_size: int | None, monitor: str | None = None
) -> dict[str, Any]:
    """Return the values of ``run`` by column name; unknown values are None.

    ``dense`` is the run whose dense model is the reference, usually ``run`` itself. ``batch_size`` is the batch size of
    ``latency_ms`` and ``speedup``; their columns are absent if it was not timed. ``monitor`` is the score of the
    columns ``score`` and ``val_score``; without it, the one that the run chose epochs by.
    """
    monitor = monitor or run.monitor
    return {
        **_name_results(run, dense),
        **_name_best(run, dense, batch_size),
        **_name_latencies(run, dense),
        "monitor": monitor,
        "val_score": run.val_score(monitor),
        "score": run.score(monitor),
        "dense_val_score": dense.dense_val_score(monitor),
        "dense_score": dense.dense_score(monitor),
        "classes": dict(run.classes) or None,
        **_name_failures(run),
        "stages": dict(run.stages),
    }


def speedup_of(latency: Latency | None, *, dense: Measured, own: bool) -> float | None:
    """Return how many times faster ``latency`` is than the best dense engine; None if either was not measured.

    With ``own``, the speedup was measured in alternation with the run's own dense model. Otherwise the dense model is
    that of the run ``dense``, and the speedup is the ratio of medians.
    """
    if latency is None or own:
        return None if latency is None else latency.speedup
    other = dense.latency(latency.batch_size)
    return None if other is None else other.dense_milliseconds / latency.milliseconds


def _name_results(run: Measured, dense: Measured) -> dict[str, float | str | None]:
    return {
        "val_accuracy": run.val_accuracy,
        "accuracy": run.accuracy,
        "dense_val_accuracy": dense.dense_val_accuracy,
        "dense_accuracy": dense.dense_accuracy,
        "val_drop_points": _points_lost(dense.dense_val_accuracy, run.val_accuracy),
        "drop_points": _points_lost(dense.dense_accuracy, run.accuracy),
        "sparsity": run.sparsity,
        "target_sparsity": run.target_sparsity,
        "weight_bits": run.weight_bits,
        **_name_span("actual_weight_bits", run.actual_weight_bits),
        "activation_bits": run.activation_bits,
        **_name_span("actual_activation_bits", run.actual_activation_bits),
        "reduced_range": None if run.reduced_range is None else int(run.reduced_range),
        "arithmetic": run.arithmetic,
        "processor": run.processor,
        "bytes": run.bytes,
        "dense_bytes": dense.dense_bytes,
        "compression_ratio": dense.dense_bytes / run.bytes,
        "onnx_bytes": run.onnx_bytes,
        "gzip_bytes": run.gzip_bytes,
        "gzip_ratio": _ratio(dense.dense_gzip_bytes, run.gzip_bytes),
        "parameters": run.parameters,
        "nonzero_parameters": run.nonzero_parameters,
        "nonzero_ratio": _ratio(dense.dense_nonzero_parameters, run.nonzero_parameters),
        "macs": run.macs,
        "dense_macs": dense.dense_macs,
        "macs_ratio": dense.dense_macs / run.macs,
        "load_ms": None if run.load_seconds is None else 1000 * run.load_seconds,
        "peak_memory_bytes": run.peak_memory_bytes,
        "epochs": run.epochs,
        "dense_epochs": dense.dense_epochs,
        "test_images": run.test_images,
        "fingerprint": run.fingerprint,
        "threads": run.threads,
    }


def _name_span(name: str, span: Span | None) -> dict[str, int | None]:
    low, high = span or (None, None)
    return {f"{name}_min": low, f"{name}_max": high}


def _name_failures(run: Measured) -> dict[str, float | str | None]:
    """Return the columns of an analysis; they are None without one."""
    found = run.failures
    if found is None:
        return dict.fromkeys(FAILURE_COLUMNS)
    shares, worst = {"accuracy": found.accuracy, "balanced_accuracy": found.balanced_accuracy}, found.worst_class
    ends = {f"{name}_{end}": getattr(one, end) for name, one in shares.items() for end in ("low", "high")}
    row = {"balanced_accuracy": found.balanced_accuracy.value, **ends}
    return {
        key: {**row, "worst_class": worst.name, "worst_class_accuracy": worst.recall}[key] for key in FAILURE_COLUMNS
    }


def _name_best(run: Measured, dense: Measured, batch_size: int | None) -> dict[str, Any]:
    best, own = run.latency(batch_size), dense is run
    if best is None:
        return {}
    return {
        "latency_ms": best.milliseconds,
        "latency_p10_ms": best.p10,
        "latency_p90_ms": best.p90,
        "latency_engine": best.engine,
        "latency_batch": best.batch_size,
        "speedup": speedup_of(best, dense=dense, own=own),
        "speedup_p10": best.speedup_p10 if own else None,
        "speedup_p90": best.speedup_p90 if own else None,
    }


def _name_latencies(run: Measured, dense: Measured) -> dict[str, float | None]:
    named: dict[str, float | None] = {}
    for entry in run.latencies:
        stem = f"{entry.engine}_b{entry.batch_size}"
        named |= {
            f"latency_{stem}_ms": entry.milliseconds,
            f"latency_{stem}_p10_ms": entry.p10,
            f"latency_{stem}_p90_ms": entry.p90,
            f"speedup_{stem}": speedup_of(entry, dense=dense, own=dense is run),
        }
    return named


def _points_lost(dense: float | None, compressed: float | None) -> float | None:
    return None if dense is None or compressed is None else 100 * (dense - compressed)


def _ratio(dense: int | None, compressed: int | None) -> float | None:
    return None if dense is None or compressed is None else dense / compressed

"""The table of all jobs of a sweep, and the definition of each column."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from compression.reporting.result_row import make_result_row
from compression.sweep.report.configuration_labels import make_labels
from compression.sweep.report.records import SEED, JobRecord, SweepRecord
from compression.sweep.report.sweep_ranking import Ranking

AXIS = "axis."
_BEFORE = {
    "job": "name of the job, and of its folder",
    "kind": "grid; run: a single run outside a sweep; baselines: random (random pruning at the same sparsity), "
    "small_dense (a narrower dense network in INT8); dense: a dense training of the grid, without a job",
    "configuration": "the job apart from its seed; jobs of one configuration differ only in their seed",
    "status": "finished, running, failed, killed, interrupted (its process is gone), waiting (not started), broken "
    "(its records cannot be used)",
    "reason": "why there are no numbers, in one line",
}
_AFTER = {
    SEED: "seed of all random numbers",
    "val_accuracy": "fraction of held-out training images that the network in the file classifies correctly; choices "
    "are based on it",
    "accuracy": "fraction of test images classified correctly, with the file loaded from disk and, if quantized, "
    "executed",
    "dense_val_accuracy": "val_accuracy of the dense model; for small_dense, of the grid's with the same seed",
    "dense_accuracy": "accuracy of the same dense model as in dense_val_accuracy",
    "val_drop_points": "100 (dense_val_accuracy - val_accuracy); a loss is positive",
    "drop_points": "100 (dense_accuracy - accuracy); a loss is positive",
    "sparsity": "fraction of the dense model's convolution and linear weights that is zero or removed, measured; "
    "for small_dense, the fraction in its narrow network",
    "target_sparsity": "the sparsity that was asked for, of what strategy.target counts",
    "weight_bits": "bits of weights as asked for; 32: not quantized",
    "actual_weight_bits_min": "the fewest bits of any layer's weight in the file; less than asked for where the "
    "processor, quantization.layer_bits or a budget takes bits",
    "actual_weight_bits_max": "the most bits of any layer's weight in the file",
    "activation_bits": "bits of activations as asked for; 32: not quantized",
    "actual_activation_bits_min": "the fewest bits of any activation",
    "actual_activation_bits_max": "the most bits of any activation",
    "reduced_range": "1 where weights of 8 bits were rounded to 7, because sums of their products saturate on the "
    "processor that quantized, otherwise 0; empty: not quantized",
    "arithmetic": "how the bits run, e.g. W7A8, executed in integers; empty: float32",
    "processor": "the processor that measured accuracy and latency",
    "bytes": "size of model.cmp on disk",
    "dense_bytes": "size of the dense float32 state dict as safetensors; for small_dense, that of the grid's",
    "compression_ratio": "dense_bytes / bytes",
    "latency_ms": "median milliseconds per batch of latency_batch images, in the fastest engine that executes the "
    "file; jobs that were timed while others ran are slower than alone",
    "latency_p10_ms": "10th percentile of latency_ms over rounds",
    "latency_p90_ms": "90th percentile of latency_ms over rounds",
    "latency_engine": "the engine of latency_ms",
    "latency_batch": "images per batch of latency_ms: the size that most jobs were timed with, the smallest of several",
    "speedup": "how many times faster than the fastest engine runs the dense model, median over rounds taken in "
    "turns; for small_dense against the grid's dense model, as the ratio of medians of two runs",
    "speedup_p10": "10th percentile of speedup over rounds; empty for small_dense",
    "speedup_p90": "90th percentile of speedup over rounds; empty for small_dense",
}
_LAST = {
    "macs": "multiply-accumulates per image, zeros included",
    "dense_macs": "macs of the dense model; for small_dense, of the grid's",
    "macs_ratio": "dense_macs / macs",
    "parameters": "parameters of the network, zeros included",
    "nonzero_parameters": "parameters that are not zero",
    "nonzero_ratio": "nonzero_parameters of the dense model / nonzero_parameters; for small_dense, of the grid's",
    "onnx_bytes": "size of model.onnx on disk",
    "gzip_bytes": "size of the state dict after gzip",
    "gzip_ratio": "gzip_bytes of the dense model / gzip_bytes; for small_dense, of the grid's",
    "load_ms": "milliseconds to load model.cmp into a network",
    "peak_memory_bytes": "peak memory that loading and running the file adds, in bytes",
    "epochs": "passes over the training images in total, of the network in the file: recovery, fine-tuning and "
    "training with rounding included, a teacher's training and that of a rejected pruning step excluded",
    "dense_epochs": "epochs of the dense model; for small_dense, of the grid's",
    "test_images": "number of images that accuracy is measured on",
    "fingerprint": "hash of the images; only jobs with the same one compare",
    "threads": "CPU threads of training and timing",
    "monitor": "the score that configurations are compared by: accuracy, balanced_accuracy (mean recall of the "
    "classes) or macro_f1",
    "val_score": "that score on held-out training images",
    "score": "that score on test images",
    "dense_val_score": "val_score of the dense model of dense_val_accuracy",
    "dense_score": "score of the dense model of dense_val_accuracy",
    "classes": "correct and all test images of each class",
    "accuracy_low": "lower end of the 95 % interval of accuracy; this and the next six are empty without an analysis",
    "accuracy_high": "upper end of the same",
    "balanced_accuracy": "mean over classes of the fraction of test images classified correctly",
    "balanced_accuracy_low": "lower end of its 95 % interval",
    "balanced_accuracy_high": "upper end of the same",
    "worst_class": "the class with the lowest fraction of test images classified correctly",
    "worst_class_accuracy": "that fraction",
    "seconds": "wall time of the job, without stages that were already finished; for a single run, the time that "
    "making all its stages took",
    "stages": "ids of the job's stages in the store; jobs that share a stage have the same id",
}
_CLOCK = ("seconds", "latency", "speedup", "load_ms", "peak_memory_bytes")


def is_varying(column: str) -> bool:
    """Return whether the column may differ between two runs of one command: times, and the peak memory."""
    return column.startswith(_CLOCK)


def define_columns(ranking: Ranking) -> dict[str, str]:
    """Return every column of this sweep's table, in order, with its definition."""
    axes = {f"{AXIS}{key}": f"{key} as requested" for key in ranking.sweep.axes if key != SEED}
    engines: dict[str, str] = {}
    for engine, size in _find_timed(ranking.sweep):
        stem, where = f"{engine}_b{size}", f"in {engine} at batch {size}"
        engines |= {
            f"latency_{stem}_ms": f"median milliseconds per batch {where}",
            f"latency_{stem}_p10_ms": f"10th percentile {where}",
            f"latency_{stem}_p90_ms": f"90th percentile {where}",
            f"speedup_{stem}": f"speedup {where}, over the fastest engine for the dense model at that batch",
        }
    return {**_BEFORE, **axes, **_AFTER, **engines, **_LAST}


def make_rows(ranking: Ranking) -> list[dict[str, Any]]:
    """Return one row per job, in the order of the plan. Unknown values are None."""
    columns = define_columns(ranking)
    labels = make_labels(ranking.sweep)
    return [
        dict.fromkeys(columns) | _describe(job, labels[job.name]) | _measure(ranking, job) for job in ranking.sweep.jobs
    ]


def to_csv(rows: Sequence[Mapping[str, Any]], *, columns: Sequence[str]) -> str:
    """Return the header and rows as CSV. None becomes an empty cell, and the mapping of stages becomes JSON."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: json.dumps(value) if isinstance(value, Mapping) else value for key, value in row.items()} for row in rows
    )
    return stream.getvalue()


def _describe(job: JobRecord, label: str) -> dict[str, Any]:
    seconds = job.seconds
    if seconds is None and job.measured is not None:
        seconds = job.measured.stage_seconds
    return {
        "job": job.name,
        "kind": job.kind,
        "configuration": label,
        "status": job.status,
        "reason": job.reason,
        SEED: job.seed,
        "seconds": seconds,
        **{f"{AXIS}{key}": value for key, value in job.axes.items() if key != SEED},
    }


def _measure(ranking: Ranking, job: JobRecord) -> dict[str, Any]:
    if job.measured is None:
        return {}
    return make_result_row(
        job.measured, dense=ranking.reference(job), batch_size=ranking.batch_size, monitor=ranking.monitor
    )


def _find_timed(sweep: SweepRecord) -> list[tuple[str, int]]:
    found = {(e.engine, e.batch_size) for job in sweep.finished if job.measured for e in job.measured.latencies}
    return sorted(found, key=lambda one: (one[1], one[0]))

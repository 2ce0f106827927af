"""The rows of dense models in ``results.csv``."""

from collections.abc import Iterator
from typing import Any

from compression.sweep.jobs import FINISHED
from compression.sweep.report.dense_models import list_dense_runs
from compression.sweep.report.job_table import define_columns
from compression.sweep.report.leaderboard import Answer
from compression.sweep.report.records import SEED

DENSE = "dense"
# Columns that have the same value for a dense model as the column of the second name has for a job.
_SAME = {
    "accuracy": "dense_accuracy",
    "val_accuracy": "dense_val_accuracy",
    "bytes": "dense_bytes",
    "macs": "dense_macs",
    "test_images": "test_images",
    "threads": "threads",
    "processor": "processor",
}
_FULL = {"weight_bits": 32, "activation_bits": 32, "sparsity": 0.0, "drop_points": 0.0, "compression_ratio": 1.0}


def make_dense_rows(answer: Answer) -> Iterator[dict[str, Any]]:
    """Yield a row for each dense training of the sweep, with the columns of a job. Unknown values are None.

    ``kind`` is ``dense``, and ``job`` is empty: no folder holds the dense model alone.
    """
    columns = define_columns(answer)
    for label, run in list_dense_runs(answer):
        row: dict[str, Any] = {"job": "", "kind": DENSE, "configuration": label, "status": FINISHED, SEED: run.seed}
        row |= _FULL | {key: getattr(run, name) for key, name in _SAME.items()}
        row |= {name: getattr(run, name) for name in _SAME.values()} | {"macs_ratio": 1.0}
        if run.dense_val_accuracy is not None:
            row["val_drop_points"] = 0.0
        if (timed := run.latency(answer.batch_size)) is not None:
            row |= {"latency_ms": timed.dense_milliseconds, "latency_batch": timed.batch_size, "speedup": 1.0}
            row["latency_engine"] = timed.dense_engine
        yield dict.fromkeys(columns) | {key: value for key, value in row.items() if key in columns}

"""The rows of dense models in ``results.csv``."""

from collections.abc import Iterator
from typing import Any

from compression.sweep.command_words import FOLD
from compression.sweep.jobs import FINISHED
from compression.sweep.report.dense_models import list_dense_trainings, time_dense
from compression.sweep.report.job_table import AXIS, define_columns
from compression.sweep.report.records import SEED
from compression.sweep.report.sweep_ranking import Ranking

DENSE = "dense"
# Columns that have the same value for a dense model as the column of the second name has for a job.
_SAME = {
    "accuracy": "dense_accuracy",
    "val_accuracy": "dense_val_accuracy",
    "bytes": "dense_bytes",
    "macs": "dense_macs",
    "nonzero_parameters": "dense_nonzero_parameters",
    "gzip_bytes": "dense_gzip_bytes",
    "epochs": "dense_epochs",
    "test_images": "test_images",
    "fingerprint": "fingerprint",
    "threads": "threads",
    "processor": "processor",
}
_FULL = {"weight_bits": 32, "activation_bits": 32, "sparsity": 0.0, "drop_points": 0.0, "compression_ratio": 1.0}


def make_dense_rows(ranking: Ranking) -> Iterator[dict[str, Any]]:
    """Yield a row for each dense training of the sweep, with the columns of a job. Unknown values are None.

    ``kind`` is ``dense``, and ``job`` is empty: no folder holds the dense model alone. Times are medians over the jobs
    that share the training.
    """
    columns = define_columns(ranking)
    for label, jobs in list_dense_trainings(ranking):
        run, (seed, fold) = jobs[0].measured, jobs[0].repeat
        assert run is not None
        row: dict[str, Any] = {"job": "", "kind": DENSE, "configuration": label, "status": FINISHED}
        row |= {SEED: seed, f"{AXIS}{FOLD}": fold}
        row |= _FULL | {key: getattr(run, name) for key, name in _SAME.items()}
        row |= {name: getattr(run, name) for name in _SAME.values()} | {"macs_ratio": 1.0}
        test, val = run.dense_score(ranking.monitor), run.dense_val_score(ranking.monitor)
        row |= {
            "monitor": ranking.monitor,
            "score": test,
            "val_score": val,
            "dense_score": test,
            "dense_val_score": val,
        }
        if run.dense_val_accuracy is not None:
            row["val_drop_points"] = 0.0
        if (trained := run.stages.get("dense")) is not None:
            row["stages"] = {"dense": trained}
        milliseconds, engine = time_dense(ranking, jobs)
        if milliseconds is not None:
            row |= {"latency_ms": milliseconds, "latency_batch": ranking.batch_size, "speedup": 1.0}
            row["latency_engine"] = engine
        yield dict.fromkeys(columns) | {key: value for key, value in row.items() if key in columns}

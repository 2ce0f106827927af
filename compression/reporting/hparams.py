"""A run as one row of TensorBoard's HParams table: its settings, and every final metric by name."""

from collections.abc import Mapping
from typing import Any

from compression.core.flatten import flatten
from compression.reporting.metrics_reader import read_measured
from compression.reporting.result_row import make_result_row

# The folder of the row, next to those of the stages. A TensorBoard session needs a separate folder; otherwise it would
# include the curves of the stages.
ROW = "result"
# These keys say where and how a run is made and logged. They are not hyperparameters.
_LEFT_OUT = ("name", "output_dir", "overwrite", "plan", "baselines", "until", "store_max_bytes", "logger")


def make_hparams(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """Return each single value of a configuration under its dotted key; lists become text and None becomes "null"."""
    pairs = flatten({key: value for key, value in config.items() if key not in _LEFT_OUT})
    return {key: _to_value(value) for key, value in pairs}


def make_row(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a run's ``metrics.json``, compared to its dense model, by the column names of sweep tables.

    ``latency_ms`` and ``speedup`` are for the smallest batch size. ``seconds`` is the sum over all stages.
    """
    run = read_measured(metrics)
    row = make_result_row(run, dense=run, batch_size=run.smallest_batch)
    return keep_numbers({**row, "seconds": run.stage_seconds})


def keep_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of ``row`` as floats; TensorBoard cannot show other values as metrics."""
    return {name: float(value) for name, value in row.items() if isinstance(value, (int, float))}


def _to_value(value: Any) -> bool | float | str:
    if isinstance(value, (bool, int, float, str)):
        return value
    return "null" if value is None else str(value)

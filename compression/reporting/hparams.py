"""A run as one row of TensorBoard's HParams table: what was asked for, and every final metric by its name."""

from collections.abc import Mapping
from typing import Any

from compression.reporting.metrics_reader import read_measured
from compression.reporting.result_row import make_result_row

# Beside the stages; what TensorBoard calls a session lies in a folder of its own, or it would take in their curves.
ROW = "result"
# Where and how often a run is made, and what draws it.
_LEFT_OUT = ("name", "output_dir", "overwrite", "plan", "logger")


def make_hparams(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """Return each single value of a configuration under its dotted key; what is no number is a word."""
    return _flatten({key: value for key, value in config.items() if key not in _LEFT_OUT})


def make_row(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of a run's ``metrics.json``, by the names of a sweep's table, held against its dense model.

    ``latency_ms`` and ``speedup`` are those at the smallest batch size, ``seconds`` the sum of its stages'.
    """
    run = read_measured(metrics)
    row = make_result_row(run, dense=run, batch_size=run.smallest_batch)
    return keep_numbers({**row, "seconds": run.stage_seconds})


def keep_numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return what TensorBoard can show as a metric: the known numbers of ``row``."""
    return {name: float(value) for name, value in row.items() if isinstance(value, (int, float))}


def _flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | float | str]:
    flat: dict[str, bool | float | str] = {}
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.")
        elif isinstance(value, (bool, int, float, str)):
            flat[name] = value
        else:
            flat[name] = "null" if value is None else str(value)
    return flat

"""Results of the run that wrote a model file, read from the ``metrics.json`` beside the file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compression.commands.processor_note import RecordedParity
from compression.core.errors import InputError, printable
from compression.core.file_names import METRICS
from compression.reporting.metrics import is_imitation

# Errors that reading a damaged record raises.
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
# Longer than any batch takes. The limit also excludes infinite values, which cannot be shown.
_MANY_MILLISECONDS = 1e12


@dataclass(frozen=True)
class Latency:
    """Median milliseconds of a batch in one engine."""

    engine: str
    batch_size: int
    median: float


@dataclass(frozen=True)
class OwnRun:
    """Results of the run that wrote a file.

    ``accuracy`` is a fraction; ``gain`` is in points over the dense model of the same run. ``latency`` is that of the
    fastest engine at the smallest batch size; engines that only imitate the integers of a file do not count.
    ``parity`` is the agreement of its integers with their simulation, None for a float file and for older records.
    ``architecture`` is the target that builds the dense model, and its settings; None for a compressed file.
    """

    accuracy: float
    gain: float
    latency: Latency | None
    architecture: tuple[str, Mapping[str, Any]] | None = None
    parity: RecordedParity | None = None


def read_own_run(folder: Path, *, side: str, key: str, num_bytes: int) -> OwnRun | None:
    """Return the results that ``metrics.json`` in ``folder`` records for one file of the run.

    ``side`` is dense or compressed, and ``key`` is the file's name under ``bytes`` there. Returns None if there is no
    record, or if it records another size than ``num_bytes``: the file may have been replaced since. Raises InputError
    for a damaged record.
    """
    path = folder / METRICS
    if not path.is_file():
        return None
    try:
        metrics = json.loads(path.read_text())
        return _read(metrics, side) if metrics[side]["bytes"][key] == num_bytes else None
    except _DAMAGE as error:
        raise InputError(f"{path} is not the record of a run: {type(error).__name__}: {error}") from error


def _read(metrics: Mapping[str, Any], side: str) -> OwnRun:
    accuracy = _number(metrics[side]["accuracy"], most=1)
    quantized = side == "compressed" and metrics.get("quantization") is not None
    rows = [_read_latency(row, side) for row in metrics["timing"]["latency"]]
    shown = [row for row in rows if not is_imitation(row.engine, quantized=quantized)]
    return OwnRun(
        accuracy,
        100 * (accuracy - _number(metrics["dense"]["accuracy"], most=1)),
        min(shown, key=lambda row: (row.batch_size, row.median), default=None),
        _read_architecture(metrics["run"]) if side == "dense" else None,
        _read_parity(metrics["quantization"].get("parity")) if quantized else None,
    )


def _read_parity(parity: Mapping[str, Any] | None) -> RecordedParity | None:
    if not parity:
        return None
    cpu, error = parity.get("cpu") or {}, parity.get("relative_logit_error")
    name = cpu.get("name") or cpu.get("architecture") or "an unknown processor"
    return RecordedParity(
        printable(str(name)),
        _number(parity["agreement"], most=1),
        None if error is None else _number(error, most=_MANY_MILLISECONDS),
    )


def _read_latency(row: Mapping[str, Any], side: str) -> Latency:
    engine, batch_size = row["engine"], row["batch_size"]
    if type(engine) is not str or type(batch_size) is not int:
        raise ValueError(f"engine {engine!r:.40} and batch_size {batch_size!r:.40} are not a name and a number")
    return Latency(engine, batch_size, _number(row[side]["latency_ms"]["median"], most=_MANY_MILLISECONDS))


def _read_architecture(run: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    target, settings = run["model"], run["model_settings"]
    if type(target) is not str or not isinstance(settings, dict):
        raise ValueError(f"model {target!r:.40} and model_settings {settings!r:.40} are not a name and a mapping")
    return target, settings


def _number(value: Any, *, most: float) -> float:
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise ValueError(f"{value!r:.40} is not a number from 0 to {most:g}")
    return float(value)

"""The document ``metrics.json``: all results of a run, under stable keys.

``timing`` holds measured times, and ``provenance`` holds place and time of the run. Everything else depends only on the
command: the same command on the same machine gives it bit for bit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from compression.core.flatten import flatten

SCHEMA_VERSION = 3


def make_metrics(
    *,
    run: Mapping[str, Any],
    evaluated: Mapping[str, Any],
    pruning_history: Sequence[Mapping[str, Any]] = (),
    compaction: Mapping[str, Any] | None = None,
    quantization: Mapping[str, Any] | None = None,
    failure_modes: Mapping[str, Any] | None = None,
    classes: Mapping[str, Mapping[str, Any]] | None = None,
    stage_seconds: Mapping[str, float],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the ``metrics.json`` document of a finished run.

    ``evaluated`` is the result of the evaluate stage: ``dense`` and ``compressed`` results, ``timing`` and ``parity``.
    ``failure_modes`` is the summary of the analyze stage, None without one.
    ``classes`` are figures of each model by class (see ``run.report.class_figures``), with its ``warnings``.
    """
    counted = {name: dict((classes or {}).get(name, {})) for name in ("dense", "compressed")}
    warnings = [line for one in counted.values() for line in one.pop("warnings", [])]
    dense, compressed = (evaluated[name] | counted[name] for name in ("dense", "compressed"))
    return {
        "schema_version": SCHEMA_VERSION,
        "run": dict(run),
        "dense": dense,
        "compressed": compressed,
        "improvement": {
            "accuracy_points": 100 * (compressed["accuracy"] - dense["accuracy"]),
            "compression_ratio": dense["bytes"]["safetensors"] / compressed["bytes"]["artifact"],
            "gzip_ratio": dense["bytes"]["gzip_state_dict"] / compressed["bytes"]["gzip_state_dict"],
            "nonzero_ratio": dense["nonzero_parameters"] / compressed["nonzero_parameters"],
            "macs_ratio": dense["macs"] / compressed["macs"],
            "nonzero_macs_ratio": dense["nonzero_macs"] / max(1, compressed["nonzero_macs"]),
        },
        "warnings": warnings,
        "pruning_history": list(pruning_history),
        "compaction": None if compaction is None else dict(compaction),
        "quantization": None if quantization is None else {**quantization, "parity": evaluated["parity"]},
        "failure_modes": None if failure_modes is None else dict(failure_modes),
        "timing": {"stage_seconds": dict(stage_seconds), **evaluated["timing"]},
        "provenance": dict(provenance),
    }


def is_imitation(engine: str, *, quantized: bool) -> bool:
    """Return whether ``engine`` only simulates integers, as PyTorch eager does, so that its speed says nothing."""
    return quantized and engine == "eager"


def find_validated(run: Mapping[str, Any]) -> str | None:
    """Return the last stage with an entry in ``run.val_accuracy``, which is that of the final file, or None."""
    return next(reversed(run.get("val_accuracy") or {}), None)


def collect_numbers(document: Mapping[str, Any]) -> dict[str, float]:
    """Return every number of the document under its path, e.g. ``compressed/bytes/artifact``, for loggers."""
    pairs = flatten(document, separator="/")
    return {name: value for name, value in pairs if isinstance(value, (int, float)) and not isinstance(value, bool)}

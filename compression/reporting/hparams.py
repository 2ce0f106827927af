"""A run as one row of TensorBoard's HParams table: what was asked for, and every final metric by its name."""

from collections.abc import Mapping, Sequence
from typing import Any

from compression.reporting.metrics import find_validated, is_imitation

# Where and how often a run is made, and what draws it.
_LEFT_OUT = ("name", "output_dir", "overwrite", "plan", "logger")


def make_hparams(config: Mapping[str, Any]) -> dict[str, bool | float | str]:
    """Return each single value of a configuration under its dotted key; what is no number is a word."""
    return _flatten({key: value for key, value in config.items() if key not in _LEFT_OUT})


def make_row(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the final numbers of a ``metrics.json``, under the names that a sweep's table has for them."""
    dense, compressed, improvement = metrics["dense"], metrics["compressed"], metrics["improvement"]
    row = {
        "accuracy": compressed["accuracy"],
        "dense_accuracy": dense["accuracy"],
        "drop_points": -improvement["accuracy_points"],
        "sparsity": compressed["sparsity"],
        "bytes": compressed["bytes"]["artifact"],
        "dense_bytes": dense["bytes"]["safetensors"],
        "onnx_bytes": compressed["bytes"]["onnx"],
        "gzip_bytes": compressed["bytes"]["gzip_state_dict"],
        "parameters": compressed["parameters"],
        "nonzero_parameters": compressed["nonzero_parameters"],
        "macs": compressed["macs"],
        "dense_macs": dense["macs"],
        "load_ms": 1000 * metrics["timing"]["compressed"]["load_seconds"],
        "peak_memory_bytes": metrics["timing"]["compressed"]["peak_memory_bytes"],
        "seconds": sum(metrics["timing"]["stage_seconds"].values()),
        **{key: value for key, value in improvement.items() if key != "accuracy_points"},
        **_name_latencies(_executed(metrics)),
    }
    stage = find_validated(metrics["run"])
    if stage is not None:
        row["val_accuracy"] = metrics["run"]["val_accuracy"][stage]
    return {name: float(value) for name, value in row.items() if value is not None}


def _executed(metrics: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    quantized = metrics["quantization"] is not None
    return [one for one in metrics["timing"]["latency"] if not is_imitation(one["engine"], quantized=quantized)]


def _name_latencies(entries: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return every engine's median, and that of the fastest at the smallest batch size."""
    found = {}
    for entry in entries:
        stem = f"{entry['engine']}_b{entry['batch_size']}"
        found[f"latency_{stem}_ms"] = entry["compressed"]["latency_ms"]["median"]
        found[f"speedup_{stem}"] = entry["speedup_over_best_dense"]["median"]
    smallest = min((entry["batch_size"] for entry in entries), default=None)
    best = min(
        (entry for entry in entries if entry["batch_size"] == smallest),
        key=lambda entry: entry["compressed"]["latency_ms"]["median"],
        default=None,
    )
    if best is not None:
        found["latency_ms"] = best["compressed"]["latency_ms"]["median"]
        found["speedup"] = best["speedup_over_best_dense"]["median"]
    return found


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

"""The pruning history, one row per step: sparsity, accuracy before and after recovery, file size, latency."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml

from compression.core.sizes import format_size
from compression.core.text import percent, write_amount
from compression.reporting.markdown import to_table

# What strategy.target counts, in words.
TARGET_NAMES = {
    "weights": "weights",
    "channels": "channels",
    "params": "parameters",
    "macs": "MACs",
    "latency": "the sparse engine's predicted time",
}
_Step = TypeVar("_Step")
COLUMNS = ("step", "sparsity", "before recovery", "after recovery", "file", "latency")


def make_history(
    steps: Sequence[Mapping[str, Any]], *, unpruned: Mapping[str, Any], timed: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Return one row per step, with the network before pruning as step 0: the dense model, or the student.

    ``steps`` come from the prune stage. ``unpruned`` has ``accuracy_after`` (validation accuracy) and ``bytes``, None
    if unknown. ``timed`` has ``latency_ms`` by step name, each with ``median`` in milliseconds; None if steps were not
    timed.
    """
    latencies = {} if timed is None else timed["latency_ms"]
    rows = [{"step": 0, "update": None, "sparsity": 0.0, "accuracy_before": None, **unpruned}, *map(dict, steps)]
    for row in rows:
        name = f"{row['step']:02d}" if row["step"] else "dense"
        row["latency_ms"] = latencies[name]["median"] if name in latencies else None
    return rows


def keep_accurate(steps: Sequence[_Step], *, stopped: bool) -> Sequence[_Step]:
    """Return the steps up to the one whose weights were kept: a pruning that stopped rejected its last step."""
    return steps[:-1] if stopped else steps


def to_yaml(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as YAML, with keys in their original order."""
    return str(yaml.safe_dump([dict(row) for row in rows], sort_keys=False))


def to_markdown(rows: Sequence[Mapping[str, Any]], *, timed: Mapping[str, Any] | None) -> str:
    """Return the rows as a Markdown table with a note below; accuracy is on held-out training images."""
    cells = [
        (
            str(row["step"]) if row["step"] else "unpruned",
            f"{100 * row['sparsity']:.2f} %",
            percent(row["accuracy_before"], unknown=""),
            percent(row["accuracy_after"], unknown=""),
            "" if row["bytes"] is None else format_size(row["bytes"]),
            "" if row["latency_ms"] is None else f"{write_amount(row['latency_ms'])} ms",
        )
        for row in rows
    ]
    note = "Accuracy is on held-out training images; sparsity is the share of weights that are zero or removed."
    if timed is not None:
        note += f" Latency: {describe_timing(timed)}."
    return "\n".join([*to_table(COLUMNS, cells, left=()), "", note]) + "\n"


def describe_timing(timed: Mapping[str, Any]) -> str:
    """Return engine and batch size of a timing, e.g. ``eager, batch 64``."""
    return f"{timed['engine']}, batch {timed['batch_size']}"

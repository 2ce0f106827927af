"""The final numbers of a ``metrics.json``, taken out and checked: what tables, pictures and picks are made from."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from compression.reporting.metrics import SCHEMA_VERSION, find_validated, is_imitation

_T = TypeVar("_T")


@dataclass(frozen=True)
class Latency:
    """Milliseconds a batch of the compressed file in one engine, and its speed over the best dense one.

    Each with its 10th and 90th percentile over rounds; None where no spread was measured.
    """

    engine: str
    batch_size: int
    milliseconds: float
    p10: float
    p90: float
    speedup: float
    speedup_p10: float | None
    speedup_p90: float | None
    dense_milliseconds: float


@dataclass(frozen=True)
class Step:
    """One pruning step: sparsity of weights and validation accuracy after recovery, fractions."""

    step: int
    sparsity: float
    accuracy: float | None


@dataclass(frozen=True)
class Measured:
    """A finished job's numbers: accuracies and sparsity are fractions, ``bytes`` is the artifact on disk.

    ``epochs`` were trained in all, by the network in the file; of a student its teacher's are none.
    ``dense_bytes`` is the safetensors file of the dense state dict; ``latencies`` has no imitated integers.
    """

    accuracy: float
    val_accuracy: float | None
    dense_accuracy: float
    dense_val_accuracy: float | None
    sparsity: float
    bytes: int
    dense_bytes: int
    macs: int
    dense_macs: int
    onnx_bytes: int | None = None
    gzip_bytes: int | None = None
    dense_gzip_bytes: int | None = None
    parameters: int | None = None
    nonzero_parameters: int | None = None
    dense_nonzero_parameters: int | None = None
    load_seconds: float | None = None
    peak_memory_bytes: float | None = None
    test_images: int | None = None
    epochs: int | None = None
    dense_epochs: int | None = None
    weight_bits: int | None = None
    activation_bits: int | None = None
    seed: int | None = None
    threads: int | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: float | None = None
    latencies: tuple[Latency, ...] = ()
    steps: tuple[Step, ...] = ()
    command: tuple[str, ...] = ()

    def latency(self, batch_size: int | None) -> Latency | None:
        """Return the fastest engine's latency at that batch size; None if it was not measured."""
        found = [entry for entry in self.latencies if entry.batch_size == batch_size]
        return min(found, key=lambda entry: (entry.milliseconds, entry.engine), default=None)

    @property
    def smallest_batch(self) -> int | None:
        """The smallest batch size it was timed with; None if it was not timed."""
        return min((entry.batch_size for entry in self.latencies), default=None)


def read_measured(document: Any) -> Measured:
    """Return the numbers of a ``metrics.json`` document; ValueError says in a line what is wrong with it."""
    if not isinstance(document, Mapping):
        raise ValueError("not a document of a run")
    version = document.get("schema_version")
    if not isinstance(version, int) or version < 1:
        raise ValueError(f"schema_version is {version!r}; known: 1 to {SCHEMA_VERSION}")
    if version > SCHEMA_VERSION:
        raise ValueError(f"schema_version {version} is newer than {SCHEMA_VERSION}, the newest this version reads")
    run, timing = _mapping(document, "run"), _mapping(document, "timing")
    validated = find_validated(run)
    seconds = timing.get("stage_seconds") or {}
    steps = document.get("pruning_history") or []
    return Measured(
        accuracy=_fraction(document, "compressed/accuracy"),
        val_accuracy=None if validated is None else _fraction(run, f"val_accuracy/{validated}"),
        dense_accuracy=_fraction(document, "dense/accuracy"),
        dense_val_accuracy=_fraction(run, "val_accuracy/dense")
        if validated and "dense" in run["val_accuracy"]
        else None,
        sparsity=_fraction(document, "compressed/sparsity"),
        bytes=_count(document, "compressed/bytes/artifact"),
        dense_bytes=_count(document, "dense/bytes/safetensors"),
        macs=_count(document, "compressed/macs"),
        dense_macs=_count(document, "dense/macs"),
        onnx_bytes=_known(document, "compressed/bytes/onnx", _count),
        gzip_bytes=_known(document, "compressed/bytes/gzip_state_dict", _count),
        dense_gzip_bytes=_known(document, "dense/bytes/gzip_state_dict", _count),
        parameters=_known(document, "compressed/parameters", _count),
        nonzero_parameters=_known(document, "compressed/nonzero_parameters", _count),
        dense_nonzero_parameters=_known(document, "dense/nonzero_parameters", _count),
        load_seconds=_known(timing, "compressed/load_seconds", _number),
        peak_memory_bytes=_known(timing, "compressed/peak_memory_bytes", _number),
        test_images=_whole(_mapping(document, "compressed"), "test_images"),
        epochs=_count_epochs(run),
        dense_epochs=_whole(run.get("epochs") or {}, "dense"),
        weight_bits=_whole(run, "weight_bits"),
        activation_bits=_whole(run, "activation_bits"),
        seed=_whole(run, "seed"),
        threads=_whole(run, "threads"),
        stages={str(stage): str(key) for stage, key in (run.get("stages") or {}).items()},
        stage_seconds=sum(_number(timing, f"stage_seconds/{stage}") for stage in seconds) if seconds else None,
        latencies=_read_latencies(timing, quantized=document.get("quantization") is not None),
        steps=tuple(_read_step(step) for step in steps),
        command=tuple(str(word) for word in (document.get("provenance") or {}).get("command") or ()),
    )


def _count_epochs(run: Mapping[str, Any]) -> int | None:
    trained = run.get("epochs")
    if not isinstance(trained, Mapping):
        return None
    return sum(_whole(trained, stage) or 0 for stage in trained if stage != "dense" or "distil" not in trained)


def _read_latencies(timing: Mapping[str, Any], *, quantized: bool) -> tuple[Latency, ...]:
    entries = timing.get("latency") or []
    dense: dict[int, float] = {}
    for entry in entries:
        milliseconds = _number(entry, "dense/latency_ms/median")
        size = _count(entry, "batch_size")
        dense[size] = min(milliseconds, dense.get(size, math.inf))
    return tuple(
        Latency(
            engine=str(entry["engine"]),
            batch_size=entry["batch_size"],
            milliseconds=_number(entry, "compressed/latency_ms/median"),
            p10=_number(entry, "compressed/latency_ms/p10"),
            p90=_number(entry, "compressed/latency_ms/p90"),
            speedup=_number(entry, "speedup_over_best_dense/median"),
            speedup_p10=_number(entry, "speedup_over_best_dense/p10"),
            speedup_p90=_number(entry, "speedup_over_best_dense/p90"),
            dense_milliseconds=dense[entry["batch_size"]],
        )
        for entry in entries
        if not is_imitation(str(entry["engine"]), quantized=quantized)
    )


def _read_step(step: Any) -> Step:
    known = step.get("accuracy_after") is not None
    return Step(
        step=_count(step, "step"),
        sparsity=_fraction(step, "sparsity"),
        accuracy=_fraction(step, "accuracy_after") if known else None,
    )


def _get(document: Any, path: str) -> Any:
    for key in path.split("/"):
        if not isinstance(document, Mapping) or key not in document:
            raise ValueError(f"{path} is missing")
        document = document[key]
    return document


def _known(document: Any, path: str, read: Callable[[Any, str], _T]) -> _T | None:
    """Return what ``read`` makes of the value, or None where older versions and other settings have none."""
    found = document
    for key in path.split("/"):
        found = found.get(key) if isinstance(found, Mapping) else None
    return None if found is None else read(document, path)


def _mapping(document: Any, path: str) -> Mapping[str, Any]:
    found = _get(document, path)
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} is {found!r:.40}, not a mapping")
    return found


def _number(document: Any, path: str) -> float:
    found = _get(document, path)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found) or found < 0:
        raise ValueError(f"{path} is {found!r:.40}, not a number of 0 or more")
    return found


def _fraction(document: Any, path: str) -> float:
    found = _number(document, path)
    if found > 1:
        raise ValueError(f"{path} is {found!r:.40}, not a fraction in [0, 1]")
    return found


def _whole(document: Mapping[str, Any], key: str) -> int | None:
    found = document.get(key)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int)):
        raise ValueError(f"{key} is {found!r:.40}, not a whole number")
    return found


def _count(document: Any, path: str) -> int:
    found = _number(document, path)
    if not isinstance(found, int) or found == 0:
        raise ValueError(f"{path} is {found!r:.40}, not a whole number above 0")
    return found

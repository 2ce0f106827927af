"""The parts of ``metrics.json`` that the page of a run shows; a record of an older version lacks some of them."""

from typing import Any

from msgspec import Struct

from compression.core.json_record import Count, Fraction, NonNegative, Whole, check_version, convert_record
from compression.reporting.metrics import SCHEMA_VERSION
from compression.reporting.metrics_schema import Spread


class _Timed(Struct, frozen=True):
    latency_ms: Spread
    images_per_second: NonNegative | None = None


class LatencyRow(Struct, frozen=True):
    """The latency of both models in one engine at one batch size."""

    engine: str
    batch_size: Count
    dense: _Timed
    compressed: _Timed
    speedup: Spread | None = None
    speedup_over_best_dense: Spread | None = None
    best_dense_engine: str | None = None


class _TimedSteps(Struct, frozen=True):
    engine: str = ""
    batch_size: Whole = 1
    latency_ms: dict[str, Spread] = {}


class _Timing(Struct, frozen=True):
    stage_seconds: dict[str, NonNegative] = {}
    threads: Whole | None = None
    repeats: Whole | None = None
    latency: list[LatencyRow] = []
    left_out: dict[str, str] = {}
    steps: _TimedSteps | None = None


class StepRow(Struct, frozen=True):
    """A pruning step: sparsity, validation accuracy before and after recovery, bytes of its file."""

    step: Count
    sparsity: Fraction
    accuracy_before: Fraction | None = None
    accuracy_after: Fraction | None = None
    bytes: Count | None = None


class _Bytes(Struct, frozen=True):
    artifact: Count | None = None
    onnx: Count | None = None
    safetensors: Count | None = None
    parts: dict[str, Whole] | None = None
    formula: Whole | None = None


class _Side(Struct, frozen=True):
    bytes: _Bytes
    accuracy_simulated: Fraction | None = None


class _Counts(Struct, frozen=True):
    counts: dict[str, dict[str, Whole]] = {}


class Parity(Struct, frozen=True):
    """How the executed integers agree with their simulation."""

    engine: str
    images: Whole
    agreement: Fraction
    max_logit_difference: NonNegative
    accuracy_simulated: Fraction
    accuracy_executed: Fraction
    executed_layers: _Counts = _Counts()
    logits: Whole | None = None
    differing_logits: Whole | None = None
    relative_logit_error: NonNegative | None = None
    graph_optimization: str | None = None
    cpu: dict[str, Any] = {}


class _Quantization(Struct, frozen=True):
    arithmetic: str = ""
    method: str = ""
    left_in_float: list[str] = []
    sparsity_before: Fraction | None = None
    parity: Parity | None = None


class _Compaction(Struct, frozen=True):
    compacted: bool = False


class _Provenance(Struct, frozen=True):
    command: tuple[str, ...] = ()
    git_commit: str | None = None
    software: dict[str, str] = {}
    machine: dict[str, Any] = {}
    begun: str | None = None
    finished: str | None = None


class RunDocument(Struct, frozen=True):
    """A ``metrics.json``."""

    run: dict[str, Any]
    dense: _Side
    compressed: _Side
    timing: _Timing = _Timing()
    pruning_history: list[StepRow] = []
    quantization: _Quantization | None = None
    compaction: _Compaction | None = None
    warnings: tuple[str, ...] = ()
    provenance: _Provenance = _Provenance()


def read_run_document(document: Any) -> RunDocument:
    """Return the parts of a ``metrics.json`` document. Raises ValueError with a message of one line."""
    check_version(document, newest=SCHEMA_VERSION)
    return convert_record(document, RunDocument)

"""The validated final numbers of a ``metrics.json``, for tables, pictures and picks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from compression.core.json_record import check_version, convert_record
from compression.reporting.kept_epochs import count_kept
from compression.reporting.metrics import SCHEMA_VERSION, is_imitation
from compression.reporting.metrics_schema import Failures, MetricsDocument, Provenance, Step, TimedEngine
from compression.reporting.pruning_steps import keep_accurate

# The fewest and the most of a number.
Span = tuple[int, int]


@dataclass(frozen=True)
class Latency:
    """The latency of the compressed file in one engine, and the speed-up over the fastest dense engine.

    ``milliseconds`` is the median for a batch. ``p10`` and ``p90`` are percentiles over rounds; those of the speed-up
    are None if another run's dense model is the reference. ``dense_engine`` is the fastest one for the dense model.
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
    dense_engine: str | None = None


@dataclass(frozen=True)
class Measured:
    """The numbers of a finished job. Accuracies and sparsity are fractions.

    ``bytes`` is the size of the artifact on disk, and ``dense_bytes`` that of the dense state dict as safetensors.
    ``epochs`` counts all trainings of the network in the file, without those of a student's teacher and of a rejected
    pruning step. ``latencies`` leaves out engines that only simulate integers. ``failures`` is None in a record of a
    run without analysis. ``fingerprint`` is the hash of the images.

    ``weight_bits`` and ``activation_bits`` are those that were asked for. The actual ones are the fewest and the most
    bits of any layer, and ``arithmetic`` says how they run, e.g. ``W7A8, executed in integers``. With
    ``reduced_range``, weights of 8 bits were rounded to 7 for the processor. ``processor`` measured the file.
    ``target_sparsity`` was asked of what ``target`` counts. ``steps`` are the pruning steps up to that whose weights
    were kept, and ``unpruned_val_accuracy`` is that of the network before: of the student, or of the dense model.

    ``monitor`` is the score that the run chose epochs by. ``scores`` and ``val_scores`` are accuracy, balanced accuracy
    and macro F1 on test images and on held-out training images, ``classes`` the correct and all test images of each
    class; all empty in a record of an earlier version.
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
    unpruned_val_accuracy: float | None = None
    onnx_bytes: int | None = None
    gzip_bytes: int | None = None
    dense_gzip_bytes: int | None = None
    parameters: int | None = None
    nonzero_parameters: int | None = None
    dense_nonzero_parameters: int | None = None
    load_seconds: float | None = None
    peak_memory_bytes: float | None = None
    test_images: int | None = None
    fingerprint: str | None = None
    epochs: int | None = None
    dense_epochs: int | None = None
    weight_bits: int | None = None
    activation_bits: int | None = None
    actual_weight_bits: Span | None = None
    actual_activation_bits: Span | None = None
    arithmetic: str | None = None
    reduced_range: bool | None = None
    processor: str | None = None
    target: str | None = None
    target_sparsity: float | None = None
    seed: int | None = None
    threads: int | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    stage_seconds: float | None = None
    latencies: tuple[Latency, ...] = ()
    steps: tuple[Step, ...] = ()
    command: tuple[str, ...] = ()
    failures: Failures | None = None
    monitor: str = "accuracy"
    scores: Mapping[str, float] = field(default_factory=dict)
    val_scores: Mapping[str, float] = field(default_factory=dict)
    dense_scores: Mapping[str, float] = field(default_factory=dict)
    dense_val_scores: Mapping[str, float] = field(default_factory=dict)
    classes: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def score(self, monitor: str) -> float | None:
        """Return the ``monitor`` score on test images; None if it is not on record."""
        return self.accuracy if monitor == "accuracy" else self.scores.get(monitor)

    def val_score(self, monitor: str) -> float | None:
        """Return the ``monitor`` score on held-out training images; None if it is not on record."""
        return self.val_accuracy if monitor == "accuracy" else self.val_scores.get(monitor)

    def dense_score(self, monitor: str) -> float | None:
        """Return the ``monitor`` score of the dense model on test images; None if it is not on record."""
        return self.dense_accuracy if monitor == "accuracy" else self.dense_scores.get(monitor)

    def dense_val_score(self, monitor: str) -> float | None:
        """Return the ``monitor`` score of the dense model on held-out images; None if it is not on record."""
        return self.dense_val_accuracy if monitor == "accuracy" else self.dense_val_scores.get(monitor)

    def latency(self, batch_size: int | None) -> Latency | None:
        """Return the latency of the fastest engine at this batch size, or None if it was not measured."""
        found = [entry for entry in self.latencies if entry.batch_size == batch_size]
        return min(found, key=lambda entry: (entry.milliseconds, entry.engine), default=None)

    @property
    def smallest_batch(self) -> int | None:
        """The smallest batch size with a latency; None if nothing was timed."""
        return min((entry.batch_size for entry in self.latencies), default=None)


def read_measured(document: Any) -> Measured:
    """Return the numbers of a ``metrics.json`` document. Raises ValueError with a message of one line."""
    check_version(document, newest=SCHEMA_VERSION)
    found = convert_record(document, MetricsDocument)
    run, dense, compressed, timing = found.run, found.dense, found.compressed, found.timing
    epochs = run.epochs or {}
    kept = count_kept(epochs, found.pruning_history, stopped=run.stopped is not None)
    return Measured(
        accuracy=compressed.accuracy,
        # The last entry belongs to the network in the file.
        val_accuracy=next(reversed(run.val_accuracy.values()), None),
        dense_accuracy=dense.accuracy,
        dense_val_accuracy=run.val_accuracy.get("dense"),
        unpruned_val_accuracy=run.val_accuracy.get("distil", run.val_accuracy.get("dense")),
        sparsity=compressed.sparsity,
        bytes=compressed.bytes.artifact,
        dense_bytes=dense.bytes.safetensors,
        macs=compressed.macs,
        dense_macs=dense.macs,
        onnx_bytes=compressed.bytes.onnx,
        gzip_bytes=compressed.bytes.gzip_state_dict,
        dense_gzip_bytes=dense.bytes.gzip_state_dict,
        parameters=compressed.parameters,
        nonzero_parameters=compressed.nonzero_parameters,
        dense_nonzero_parameters=dense.nonzero_parameters,
        load_seconds=timing.compressed.load_seconds,
        peak_memory_bytes=timing.compressed.peak_memory_bytes,
        test_images=compressed.test_images,
        fingerprint=run.data_settings.fingerprint,
        epochs=None if run.epochs is None or kept is None else _count_own(kept),
        dense_epochs=epochs.get("dense"),
        weight_bits=run.weight_bits,
        activation_bits=run.activation_bits,
        actual_weight_bits=run.actual_weight_bits or _span(found, "weight_bits"),
        actual_activation_bits=run.actual_activation_bits or _span(found, "activation_bits"),
        arithmetic=None if found.quantization is None else found.quantization.arithmetic,
        reduced_range=None if found.quantization is None else found.quantization.reduced_range,
        processor=_find_processor(found.provenance),
        target=run.target,
        target_sparsity=run.target_sparsity,
        seed=run.seed,
        threads=run.threads,
        stages=run.stages,
        stage_seconds=sum(timing.stage_seconds.values()) if timing.stage_seconds else None,
        latencies=_pick_latencies(timing.latency, quantized=found.quantization is not None),
        steps=tuple(keep_accurate(found.pruning_history, stopped=run.stopped is not None)),
        command=found.provenance.command,
        failures=found.failure_modes.compressed if found.failure_modes else None,
        monitor=run.monitor,
        scores=compressed.scores,
        val_scores=compressed.val_scores,
        dense_scores=dense.scores,
        dense_val_scores=dense.val_scores,
        classes=compressed.classes,
    )


def _count_own(epochs: Mapping[str, int]) -> int:
    """Return the sum over the stages. A student has trained without the epochs of the dense model, its teacher."""
    return sum(num for stage, num in epochs.items() if stage != "dense" or "distil" not in epochs)


def _span(document: MetricsDocument, key: str) -> Span | None:
    """Return the fewest and the most bits of the layers, for a record of an earlier version."""
    if document.quantization is None:
        asked: int | None = getattr(document.run, key)
        return None if asked is None else (asked, asked)
    bits = [getattr(layer, key) for layer in document.quantization.layers]
    return (min(bits), max(bits)) if bits else None


def _find_processor(made: Provenance) -> str | None:
    """Return the processor of the measurement, which a reused stage may have made on another machine."""
    stage = made.stages.get("evaluate")
    machine = (stage and stage.machine) or made.machine
    return None if machine is None else machine.processor


def _pick_latencies(entries: Sequence[TimedEngine], *, quantized: bool) -> tuple[Latency, ...]:
    """Return the latencies of engines that do not imitate integers, with the fastest dense one at each batch size."""
    dense: dict[int, float] = {}
    for entry in entries:
        dense[entry.batch_size] = min(entry.dense.latency_ms.median, dense.get(entry.batch_size, math.inf))
    return tuple(
        Latency(
            engine=entry.engine,
            batch_size=entry.batch_size,
            milliseconds=entry.compressed.latency_ms.median,
            p10=entry.compressed.latency_ms.p10,
            p90=entry.compressed.latency_ms.p90,
            speedup=entry.speedup_over_best_dense.median,
            speedup_p10=entry.speedup_over_best_dense.p10,
            speedup_p90=entry.speedup_over_best_dense.p90,
            dense_milliseconds=dense[entry.batch_size],
            dense_engine=entry.best_dense_engine,
        )
        for entry in entries
        if not is_imitation(entry.engine, quantized=quantized)
    )

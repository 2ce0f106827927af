"""The numbers of ``metrics.json`` that tables, pictures and picks use, as validated types."""

from typing import Literal

from msgspec import Struct

from compression.core.json_record import Count, Fraction, NonNegative, Whole


class Share(Struct, frozen=True):
    """A fraction with its 95 % interval, ``low`` to ``high``."""

    value: Fraction
    low: Fraction
    high: Fraction


class WorstClass(Struct, frozen=True):
    """A class and the fraction of its test images that are classified correctly."""

    name: str
    recall: Fraction


class Failures(Struct, frozen=True):
    """The failure modes of one model: accuracies of all images, and of the mean and the worst class."""

    accuracy: Share
    balanced_accuracy: Share
    worst_class: WorstClass


class Step(Struct, frozen=True, rename={"accuracy": "accuracy_after"}):
    """A pruning step: the sparsity of weights and the validation accuracy after recovery, both fractions.

    ``update`` is the optimizer update of pruning, from 0, before which the step was taken.
    """

    step: Count
    sparsity: Fraction
    accuracy: Fraction | None = None
    update: Whole | None = None


class _DataSettings(Struct, frozen=True):
    fingerprint: str | None = None


class _Run(Struct):
    val_accuracy: dict[str, Fraction] = {}
    stopped: str | None = None
    monitor: Literal["accuracy", "balanced_accuracy", "macro_f1"] = "accuracy"
    epochs: dict[str, Whole] | None = None
    stages: dict[str, str] = {}
    weight_bits: Whole | None = None
    activation_bits: Whole | None = None
    actual_weight_bits: tuple[Whole, Whole] | None = None
    actual_activation_bits: tuple[Whole, Whole] | None = None
    target: str | None = None
    target_sparsity: Fraction | None = None
    seed: Whole | None = None
    threads: Whole | None = None
    data_settings: _DataSettings = _DataSettings()


class _DenseBytes(Struct):
    safetensors: Count
    gzip_state_dict: Count | None = None


class _Dense(Struct):
    accuracy: Fraction
    bytes: _DenseBytes
    macs: Count
    nonzero_parameters: Count | None = None
    scores: dict[str, Fraction] = {}
    val_scores: dict[str, Fraction] = {}


class _CompressedBytes(Struct):
    artifact: Count
    onnx: Count | None = None
    gzip_state_dict: Count | None = None


class _Compressed(Struct):
    accuracy: Fraction
    sparsity: Fraction
    bytes: _CompressedBytes
    macs: Count
    parameters: Count | None = None
    nonzero_parameters: Count | None = None
    test_images: Whole | None = None
    scores: dict[str, Fraction] = {}
    val_scores: dict[str, Fraction] = {}
    classes: dict[str, tuple[Whole, Whole]] = {}


class Spread(Struct, frozen=True):
    """Median, 10th and 90th percentile."""

    median: NonNegative
    p10: NonNegative
    p90: NonNegative


class _Timed(Struct):
    latency_ms: Spread


class TimedEngine(Struct):
    """The latency of both models in one engine at one batch size."""

    engine: str
    batch_size: Count
    dense: _Timed
    compressed: _Timed
    speedup_over_best_dense: Spread
    best_dense_engine: str | None = None


class _Load(Struct, frozen=True):
    load_seconds: NonNegative | None = None
    peak_memory_bytes: NonNegative | None = None


class _Timing(Struct):
    stage_seconds: dict[str, NonNegative] = {}
    latency: list[TimedEngine] = []
    compressed: _Load = _Load()


class _Machine(Struct, frozen=True):
    processor: str | None = None


class _Making(Struct, frozen=True):
    machine: _Machine | None = None


class Provenance(Struct, frozen=True):
    """The command of a run, and the machines that made its stages."""

    command: tuple[str, ...] = ()
    machine: _Machine | None = None
    stages: dict[str, _Making] = {}


class _Layer(Struct, frozen=True):
    weight_bits: Whole
    activation_bits: Whole


class _Quantization(Struct, frozen=True):
    arithmetic: str | None = None
    reduced_range: bool | None = None
    layers: list[_Layer] = []


class _FailureModes(Struct, frozen=True):
    compressed: Failures | None = None


class MetricsDocument(Struct):
    """A ``metrics.json``."""

    run: _Run
    dense: _Dense
    compressed: _Compressed
    timing: _Timing
    pruning_history: tuple[Step, ...] = ()
    quantization: _Quantization | None = None
    failure_modes: _FailureModes | None = None
    provenance: Provenance = Provenance()

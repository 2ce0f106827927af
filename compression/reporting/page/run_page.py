"""The page of one run, from its records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compression.core.file_names import FAILURES, PICTURES
from compression.core.sizes import format_size
from compression.quantization.plan import format_span
from compression.reporting.asked_sparsity import describe_asked
from compression.reporting.metrics_reader import Latency, Measured, read_measured
from compression.reporting.page.embedded_pictures import embed_pictures
from compression.reporting.page.failure_document import FailureDocument, read_failure_document
from compression.reporting.page.failure_sections import list_headlines, make_failure_sections
from compression.reporting.page.page_blocks import Gallery, Page, Section, Table
from compression.reporting.page.run_document import read_run_document
from compression.reporting.page.run_sections import (
    Histories,
    make_integer_section,
    make_making_section,
    make_size_section,
    make_speed_section,
    make_training_section,
)
from compression.reporting.result_table import format_ratio, shows_nonzero

_WEIGHT_PICTURES = {
    "first_filters": ("First filters", "Kernels of the first convolution, before and after pruning"),
    "weight_histograms": ("Weights of each layer", "Histograms of the weights of each layer, before and after pruning"),
    "layer_sparsity": ("Sparsity of each layer", "Fraction of weights that is zero or removed, by layer"),
    "sensitivity_weights": ("Sensitivity", "Accuracy after pruning each layer alone, by sparsity"),
    "sensitivity_channels": ("Sensitivity", "Accuracy after removing channels of each group alone"),
}


@dataclass(frozen=True)
class RunRecords:
    """What is on record of a run; everything but ``metrics`` may be missing.

    ``parts`` and ``formula`` are bytes of the file by purpose and by the formula. ``pictures`` and ``failure_pictures``
    are folders. ``remake`` are commands on the run's folder.
    """

    name: str
    metrics: Any
    failures: Any = None
    configuration: str | None = None
    histories: Histories = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    formula: int | None = None
    pictures: Path = Path(PICTURES)
    failure_pictures: Path = Path(FAILURES)
    remake: tuple[str, ...] = ()


def make_run_page(records: RunRecords) -> Page:
    """Return the page. Raises ValueError with a message of one line for a record that cannot be read."""
    measured, found = read_measured(records.metrics), read_run_document(records.metrics)
    failures = None if records.failures is None else read_failure_document(records.failures)
    asked = describe_asked(records.metrics)
    pictures = embed_pictures(records.pictures, _WEIGHT_PICTURES)
    weights = Section("weights", "Weights before and after", [Gallery(pictures)]) if pictures else None
    sections = [
        *(make_failure_sections(failures, records.failure_pictures) if failures else []),
        make_size_section(found, records.parts, formula=records.formula),
        make_speed_section(found),
        make_integer_section(found),
        make_training_section(found, records.histories),
        weights,
        make_making_section(found, configuration=records.configuration, remake=records.remake),
    ]
    return Page(
        kicker=_describe_kind(found.run),
        title=records.name,
        verdict=[
            *describe_run(measured, failures),
            *([f"{asked}."] if asked else []),
            *(f"Warning: {line}." for line in found.warnings),
        ],
        headline=_list_numbers(measured, failures, has_student=_has_student(found.run)),
        sections=[section for section in sections if section is not None],
    )


def describe_run(run: Measured, failures: FailureDocument | None) -> list[str]:
    """Return sentences of verdict: size and accuracy, speed, and whether the change is more than chance."""
    points = 100 * (run.accuracy - run.dense_accuracy)
    change = "keeps the test accuracy" if abs(points) < 0.005 else f"{'gains' if points > 0 else 'loses'} "
    change += "" if abs(points) < 0.005 else f"{abs(points):.2f} points of test accuracy"
    ratio = format_ratio(run.dense_bytes / run.bytes, "smaller", "larger")
    size = "as large as" if ratio == "same" else f"{ratio} than"
    text = (
        f"The compressed file is {size} the dense model ({format_size(run.bytes)} against "
        f"{format_size(run.dense_bytes)}) and {change} ({100 * run.accuracy:.2f} % against "
        f"{100 * run.dense_accuracy:.2f} %)."
    )
    sentences = [text]
    latency = run.latency(run.smallest_batch)
    if latency is not None:
        sentences.append(_describe_speed(latency))
    if failures is not None and failures.change is not None:
        sentences.append(failures.change.verdict)
    return sentences


def _describe_kind(run: Mapping[str, Any]) -> str:
    names = [str(run[key]).rpartition(".")[2] for key in ("model", "data") if run.get(key)]
    strategy = f", {run['strategy']}" if run.get("strategy") else ""
    return f"Report of a run: {' on '.join(names)}{strategy}" if names else "Report of a run"


def _describe_speed(latency: Latency) -> str:
    low, high = latency.speedup_p10, latency.speedup_p90
    same = low is not None and high is not None and low <= 1 <= high
    ratio = "same" if same or not latency.speedup else format_ratio(latency.speedup, "faster", "slower")
    speed = "as fast as" if ratio == "same" else f"{ratio} than"
    return (
        f"In batches of {latency.batch_size}, it runs {speed} the dense model, each in its fastest engine "
        f"({latency.engine}, {latency.milliseconds:.3g} ms)."
    )


def _has_student(run: Mapping[str, Any]) -> bool:
    distillation = run.get("distillation")
    return isinstance(distillation, dict) and bool(distillation.get("student"))


def _list_numbers(run: Measured, failures: FailureDocument | None, *, has_student: bool) -> Table:
    points = f"{100 * (run.accuracy - run.dense_accuracy):+.2f} points"
    rows = [["test accuracy", f"{100 * run.dense_accuracy:.2f} %", f"{100 * run.accuracy:.2f} %", points]]
    if failures is not None and len(failures.models) == 2:
        rows = [[*row, points if not index else ""] for index, row in enumerate(list_headlines(failures))]
        rows[0][0] = "test accuracy (95 % interval)"
    rows.append(_compare_sizes("file on disk", run.dense_bytes, run.bytes))
    rows.append(["sparsity of weights", "", f"{100 * run.sparsity:.2f} %", ""])
    counts = run.dense_nonzero_parameters or 0, run.nonzero_parameters or 0
    if all(counts) and shows_nonzero(*counts, has_student=has_student):
        rows.append(_compare("non-zero parameters", *counts, *(f"{one:,}" for one in counts)))
    macs = run.dense_macs, run.macs
    rows.append(_compare("MACs per image", *macs, *(f"{one / 1e6:,.3g} M" for one in macs)))
    for size in dict.fromkeys(entry.batch_size for entry in run.latencies):
        best = run.latency(size)
        assert best is not None
        shown = (f"{best.dense_milliseconds:.3g} ms", f"{best.milliseconds:.3g} ms, {best.engine}")
        speed = "no difference" if (best.speedup_p10 or 2) <= 1 <= (best.speedup_p90 or 0) else None
        speed = speed or (format_ratio(best.speedup, "faster", "slower") if best.speedup else "-")
        rows.append([f"fastest engine, batch {size}", *shown, speed])
    if run.weight_bits is not None:
        asked = f"{run.weight_bits}, {run.activation_bits}"
        rows.append(["bits of weights and activations, asked for", "32, 32", asked, ""])
    if run.actual_weight_bits is not None and run.actual_activation_bits is not None:
        actual = ", ".join(format_span(*span) for span in (run.actual_weight_bits, run.actual_activation_bits))
        why = "7 in place of 8 on this processor" if run.reduced_range else ""
        rows.append(["bits of weights and activations, actual", "32, 32", actual, why])
    images = "" if run.test_images is None else f", on {run.test_images:,} test images"
    return Table(f"Dense and compressed model{images}", ("figure", "dense", "compressed", "change"), rows)


def _compare(name: str, dense: float, compressed: float, *shown: str) -> list[str]:
    return [name, *shown, format_ratio(dense / compressed, "fewer", "more") if compressed else "-"]


def _compare_sizes(name: str, dense: int, compressed: int) -> list[str]:
    ratio = format_ratio(dense / compressed, "smaller", "larger")
    return [name, format_size(dense), format_size(compressed), ratio]

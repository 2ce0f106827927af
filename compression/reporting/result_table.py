"""The final table of a run: metric, dense, compressed, improvement."""

from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from compression.core.file_names import ARTIFACT, BEFORE_FINETUNE, DENSE_ONNX, DENSE_WEIGHTS, ONNX
from compression.core.sizes import format_size
from compression.core.text import percent, write_amount
from compression.quantization.plan import describe_plain_file
from compression.reporting.engine_label import label_engine
from compression.reporting.failure_rows import list_failure_rows
from compression.reporting.markdown import escape, to_table
from compression.reporting.metrics import is_imitation
from compression.reporting.parity_text import describe_logit_error


@dataclass(frozen=True)
class Row:
    """One row of the table, as text."""

    metric: str
    dense: str
    compressed: str
    improvement: str


def make_rows(metrics: Mapping[str, Any]) -> list[Row]:
    """Return the rows of the table from a run's ``metrics.json`` document."""
    return [*_result_rows(metrics), *_timing_rows(metrics)]


def to_rich(rows: list[Row], title: str) -> Table:
    """Return the rows as a table for the terminal."""
    table = Table(title=title, title_justify="left")
    table.add_column("metric")
    for column in ("dense", "compressed", "improvement"):
        table.add_column(column, justify="right")
    for row in rows:
        # Wrapped in Text, because rich would read brackets in the name of a class as markup.
        table.add_row(*map(Text, astuple(row)))
    return table


def to_markdown(rows: list[Row]) -> str:
    """Return the rows as a Markdown table."""
    cells = [[escape(cell) for cell in astuple(row)] for row in rows]
    return "\n".join(to_table(("metric", "dense", "compressed", "improvement"), cells)) + "\n"


def files_to_markdown(metrics: Mapping[str, Any], *, before_finetune: int | None = None) -> str:
    """Return the section of ``report.md`` on the files of a run: the content and the bytes of each file.

    ``before_finetune`` is the size of the pruned model before fine-tuning, if there was any.
    """
    dense, compressed = metrics["dense"]["bytes"], metrics["compressed"]["bytes"]
    arithmetic = None if metrics["quantization"] is None else metrics["quantization"]["arithmetic"]
    rows = [
        (ARTIFACT, f"the compressed model, {arithmetic or describe_plain_file(None)}", compressed["artifact"]),
        (ONNX, f"the same as ONNX, {describe_plain_file(arithmetic)}", compressed["onnx"]),
        (DENSE_WEIGHTS, f"the dense model, {describe_plain_file(None)}", dense["safetensors"]),
        (DENSE_ONNX, f"the same as ONNX, {describe_plain_file(None)}", dense["onnx"]),
    ]
    if before_finetune is not None:
        what = f"the pruned model before fine-tuning, {describe_plain_file(None)}"
        rows.insert(2, (BEFORE_FINETUNE, what, before_finetune))
    cells = [(name, what, f"{num_bytes:,}") for name, what, num_bytes in rows]
    return "\n".join(["", "## Files", "", *to_table(("file", "what", "bytes"), cells, left=(0, 1)), ""])


def describe_left_out(left_out: Mapping[str, str]) -> list[str]:
    """Return a line for each engine that was not timed, with the reason. ``left_out`` has reasons by engine."""
    lines = ((name, reason.removeprefix(f"engine {name}: ")) for name, reason in left_out.items())
    return [f"engine {name} is left out: {reason}" for name, reason in lines]


def left_out_to_markdown(left_out: Mapping[str, str]) -> str:
    """Return a paragraph of ``report.md`` about the engines that were not timed; empty if all were."""
    return "".join(f"\nThe {escape(line)}.\n" for line in describe_left_out(left_out))


def format_ratio(ratio: float, better: str, worse: str) -> str:
    """Return e.g. ``6.71x smaller``, ``1.20x larger``, or ``same``; the word shows whether it is a gain or a loss."""
    if round(ratio, 2) == 1:
        return "same"
    return f"{ratio:.2f}x {better}" if ratio > 1 else f"{1 / ratio:.2f}x {worse}"


def shows_nonzero(dense: int, compressed: int, *, has_student: bool) -> bool:
    """Return whether the numbers of non-zero parameters are worth a row.

    The same architecture cannot gain weights. Folded batch norms can leave a few more biases that are not zero, which
    says nothing.
    """
    return compressed <= dense or has_student


def format_speedup(speedup: Mapping[str, float]) -> str:
    """Return e.g. ``1.72x faster``, or ``no difference`` if 1 lies between the 10th and the 90th percentile."""
    if speedup["p10"] <= 1 <= speedup["p90"]:
        return "no difference"
    return format_ratio(speedup["median"], "faster", "slower")


def _result_rows(metrics: Mapping[str, Any]) -> Iterator[Row]:
    dense, compressed = metrics["dense"], metrics["compressed"]
    points = 100 * (compressed["accuracy"] - dense["accuracy"])
    yield Row(
        "test accuracy",
        percent(dense["accuracy"]),
        percent(compressed["accuracy"]),
        f"{points:+.2f} points",
    )
    quantization = metrics["quantization"]
    if quantization is not None:
        agreement = f"{100 * quantization['parity']['agreement']:.2f} % the same class"
        yield Row("  the same, simulated", "", percent(compressed["accuracy_simulated"]), agreement)
        if (logits := describe_logit_error(quantization["parity"])) is not None:
            yield Row("  relative error of logits", "", *logits)
    yield from (Row(*cells) for cells in list_failure_rows(metrics.get("failure_modes")))
    if quantization is not None:
        yield Row("arithmetic", "float32", *quantization["arithmetic"].split(", ", 1))
    yield Row("sparsity of weights", percent(dense["sparsity"]), percent(compressed["sparsity"]), "")
    student = (metrics["run"].get("distillation") or {}).get("student")
    counts = dense["nonzero_parameters"], compressed["nonzero_parameters"]
    if shows_nonzero(*counts, has_student=bool(student)):
        fewer = format_ratio(counts[0] / counts[1], "fewer", "more")
        yield Row("non-zero parameters", f"{counts[0]:,}", f"{counts[1]:,}", fewer)
    yield _bytes_row("file on disk", dense["bytes"]["safetensors"], compressed["bytes"]["artifact"])
    yield _bytes_row("gzip of state dict", dense["bytes"]["gzip_state_dict"], compressed["bytes"]["gzip_state_dict"])
    yield Row(
        "MACs per image",
        _millions(dense["macs"]),
        _millions(compressed["macs"]),
        format_ratio(dense["macs"] / compressed["macs"], "fewer", "more"),
    )
    yield Row(
        "  of non-zero weights",
        _millions(dense["nonzero_macs"]),
        _millions(compressed["nonzero_macs"]),
        format_ratio(metrics["improvement"]["nonzero_macs_ratio"], "fewer", "more"),
    )


def _timing_rows(metrics: Mapping[str, Any]) -> Iterator[Row]:
    timing = metrics["timing"]
    dense, compressed = timing["dense"], timing["compressed"]
    yield Row(
        "load the file",
        f"{dense['load_seconds'] * 1e3:.0f} ms",
        f"{compressed['load_seconds'] * 1e3:.0f} ms",
        format_ratio(dense["load_seconds"] / compressed["load_seconds"], "faster", "slower"),
    )
    if dense["peak_memory_bytes"] is not None:
        yield _bytes_row("memory of inference", dense["peak_memory_bytes"], compressed["peak_memory_bytes"])
    arithmetic = None if metrics["quantization"] is None else metrics["quantization"]["arithmetic"]
    for entry in timing["latency"]:
        show = _latency if entry["batch_size"] == 1 else _throughput
        yield Row(
            f"{label_engine(entry['engine'], arithmetic)}, batch {entry['batch_size']}",
            show(entry["dense"]),
            show(entry["compressed"]),
            format_speedup(entry["speedup"]),
        )
    yield from _fastest_rows(metrics)


def _fastest_rows(metrics: Mapping[str, Any]) -> Iterator[Row]:
    """Yield a row for each batch size at which another engine is the fastest for the compressed than for the dense."""
    entries, quantized = metrics["timing"]["latency"], metrics["quantization"] is not None
    for batch_size in dict.fromkeys(entry["batch_size"] for entry in entries):
        timed = {entry["engine"]: entry for entry in entries if entry["batch_size"] == batch_size}
        executed = [entry for name, entry in timed.items() if not is_imitation(name, quantized=quantized)]
        best = min(executed, key=lambda entry: float(entry["compressed"]["latency_ms"]["median"]), default=None)
        if best is None or best["engine"] == best["best_dense_engine"]:
            continue
        dense, show = timed[best["best_dense_engine"]], _latency if batch_size == 1 else _throughput
        yield Row(
            f"fastest engines, batch {batch_size}",
            f"{show(dense['dense'])}, {dense['engine']}",
            f"{show(best['compressed'])}, {best['engine']}",
            format_speedup(best["speedup_over_best_dense"]),
        )


def _bytes_row(metric: str, dense: int, compressed: int) -> Row:
    ratio = format_ratio(dense / compressed, "smaller", "larger") if dense and compressed else ""
    return Row(metric, format_size(dense), format_size(compressed), ratio)


def _millions(count: float) -> str:
    return f"{count / 1e6:,.1f} M" if count >= 1e7 else f"{count / 1e6:.3g} M"


def _latency(latency: Mapping[str, Any]) -> str:
    return f"{write_amount(latency['latency_ms']['median'])} ms"


def _throughput(latency: Mapping[str, Any]) -> str:
    return f"{latency['images_per_second']:,.0f} img/s"

"""Sections of the page of one run: size, speed, training, integers, and how the run was made."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from compression.core.file_names import ARTIFACT, ONNX
from compression.core.sizes import format_size
from compression.core.text import count_noun, percent
from compression.reporting.engine_label import label_engine
from compression.reporting.metrics_schema import Spread
from compression.reporting.page.line_chart import Series, make_line_spec
from compression.reporting.page.page_blocks import Block, Chart, Code, Details, Gallery, Section, Table, Text
from compression.reporting.page.run_document import LatencyRow, Parity, RunDocument, StepRow
from compression.reporting.page.spread_chart import SpreadRow, make_spread_spec
from compression.reporting.parity_text import describe_optimization, format_relative_error
from compression.reporting.result_table import describe_left_out, format_ratio
from compression.storage.accounting import FORMULA

# Rows of the training history by stage, each with its epoch and metrics.
Histories = Mapping[str, Sequence[Mapping[str, float | int]]]
FORMULA_NOTE = (
    f"The formula, {FORMULA} bytes, is the size that most papers report. It leaves out biases, header and filler "
    "entries, and knows no entropy coder."
)
_MAX_EPOCHS = 400


def make_size_section(found: RunDocument, parts: Mapping[str, int], *, formula: int | None) -> Section | None:
    """Return the section on bytes. ``parts`` are the bytes of the file by purpose; empty if they are unknown."""
    sizes = {
        "dense model, safetensors": found.dense.bytes.safetensors,
        "dense model, ONNX": found.dense.bytes.onnx,
        ONNX: found.compressed.bytes.onnx,
        ARTIFACT: found.compressed.bytes.artifact,
        "formula S": formula,
    }
    dense = found.dense.bytes.safetensors
    known = {name: count for name, count in sizes.items() if count}
    if not known:
        return None
    rows = [[name, f"{count:,}", f"{dense / count:.2f}x" if dense else "-"] for name, count in known.items()]
    tables = [Table("Files on disk", ("file", "bytes", "smaller than dense"), rows)]
    total = sum(parts.values())
    if total:
        shares = [[name, f"{count:,}", f"{100 * count / total:.1f} %"] for name, count in parts.items()]
        shares.append(["the file", f"{total:,}", "100.0 %"])
        tables.append(Table("What each byte of model.cmp is for", ("part", "bytes", "share"), shares))
    return Section("size", "Size", [Gallery(tables), *([Text(FORMULA_NOTE)] if formula else [])])


def make_speed_section(found: RunDocument) -> Section | None:
    """Return the section on latency; None if nothing was timed."""
    timing = found.timing
    # A record of an older version may lack the words.
    arithmetic = None if found.quantization is None else found.quantization.arithmetic or "quantized"
    if not timing.latency:
        return None
    threads = "" if timing.threads is None else f" on {count_noun(timing.threads, 'thread')}"
    repeats = "" if timing.repeats is None else f", {count_noun(timing.repeats, 'repeat')}"
    text = (
        f"Milliseconds per batch{threads}{repeats}; both models were measured in alternation. The spread is the 10th "
        "to the 90th percentile. A speed-up over the best dense engine compares with the fastest engine for the dense "
        "model."
    )
    columns = ("engine", "batch", "dense, ms", "compressed, ms", "same engine", "over best dense")
    rows = [_describe_latency(row, arithmetic) for row in timing.latency]
    blocks: list[Block] = [Text(text), Table("Latency by engine", columns, rows)]
    charts = []
    for size in dict.fromkeys(row.batch_size for row in timing.latency):
        timed = [row for row in timing.latency if row.batch_size == size]
        shown = [
            SpreadRow(row.engine, _limits(row.dense.latency_ms), _limits(row.compressed.latency_ms)) for row in timed
        ]
        if shown and all(min(one.dense[0], one.compressed[0]) > 0 for one in shown):
            described = f"Latency of dense and compressed model at batch size {size} in {len(shown)} engines, see table"
            spec = make_spread_spec(shown, title="milliseconds per batch, log scale")
            charts.append(Chart(f"latency-{size}", f"Batch of {size}", described, spec))
    blocks += [Gallery(charts)] if charts else []
    blocks += [Text(f"The {line}.") for line in describe_left_out(timing.left_out)]
    return Section("speed", "Speed", blocks)


def make_training_section(found: RunDocument, histories: Histories) -> Section | None:
    """Return the section on training and pruning steps; None if there is no record of either."""
    charts, tables = [], []
    steps = [one for one in found.pruning_history if one.accuracy_after is not None]
    if len(steps) > 1:
        charts.append(_draw_steps(found, steps))
    if found.pruning_history:
        tables.append(_describe_steps(found))
    for key, title, scale in (("accuracy", "validation accuracy, %", 100.0), ("loss", "validation loss", 1.0)):
        series = _list_series(histories, f"val/{key}", scale)
        if series:
            described = f"{title} over epochs of {', '.join(one.name for one in series)}, see table"
            spec = make_line_spec(series, x="epoch of the stage", y=title)
            charts.append(Chart(f"curve-{key}", f"Training: {key}", described, spec))
    stopped = found.run.get("stopped")
    blocks: list[Block] = [*([Gallery(charts)] if charts else []), *tables]
    blocks += [Text(f"Stopped: {stopped}.")] if stopped else []
    blocks += [
        Details(_name_epochs(stage, len(rows)), [_describe_epochs(stage, rows)])
        for stage, rows in histories.items()
        if rows
    ]
    return Section("training", "Training and pruning", blocks) if blocks else None


def make_integer_section(found: RunDocument) -> Section | None:
    """Return the section on quantization and the parity of executed integers; None for a model in float."""
    quantization = found.quantization
    if quantization is None:
        return None
    blocks: list[Block] = [Text(f"{quantization.arithmetic} ({quantization.method}).")]
    if quantization.left_in_float:
        blocks.append(Text(f"Left in float: {', '.join(quantization.left_in_float)}."))
    parity = quantization.parity
    if parity is not None:
        counts = parity.executed_layers.counts.values()
        level = describe_optimization({"graph_optimization": parity.graph_optimization})
        cpu = parity.cpu.get("name") or parity.cpu.get("architecture") or "unknown"
        rows = [
            ["engine", parity.engine],
            ["test images", f"{parity.images:,}"],
            ["same class as the simulation", f"{100 * parity.agreement:.2f} %"],
            *_describe_logits(parity),
            ["largest difference of a logit", f"{parity.max_logit_difference:.4g}"],
            ["accuracy, executed", f"{100 * parity.accuracy_executed:.2f} %"],
            ["accuracy, simulated", f"{100 * parity.accuracy_simulated:.2f} %"],
            ["operators in integers", f"{sum(one.get('integer', 0) for one in counts):,}"],
            ["operators in float", f"{sum(one.get('float', 0) for one in counts):,}"],
            ["processor", str(cpu)],
            *([["graph optimizations", level]] if level else []),
        ]
        blocks.append(Table("Parity: integers as executed against their simulation", ("figure", "value"), rows))
    return Section("integers", "Integers", blocks)


def _describe_logits(parity: Parity) -> list[list[str]]:
    if parity.logits is None or parity.differing_logits is None:
        return []
    return [
        ["relative error of logits", format_relative_error(parity.relative_logit_error)],
        ["logits that differ", f"{parity.differing_logits:,} of {parity.logits:,}"],
    ]


def make_making_section(found: RunDocument, *, configuration: str | None, remake: Sequence[str]) -> Section:
    """Return the section on commands, configuration and machine. ``configuration`` is its YAML text."""
    command = shlex.join(["python", *found.provenance.command]) if found.provenance.command else ""
    lines = [line for line in (command, *remake) if line]
    blocks: list[Block] = [Code("Commands that make this run and this page again", "\n".join(lines))]
    settings = [[key, _show(value)] for key, value in found.run.items() if _is_plain(value)]
    tables = [Table("Settings", ("setting", "value"), settings, words=("value",))]
    made = found.provenance
    machine = {**made.machine, "commit": made.git_commit, "started": made.begun, "finished": made.finished}
    if isinstance(machine.get("memory_bytes"), int):
        machine["memory"] = format_size(machine.pop("memory_bytes"))
    rows = [[key, _show(value)] for key, value in {**machine, **made.software}.items() if value is not None]
    if rows:
        tables.append(Table("Machine and software", ("what", "value"), rows, words=("value",)))
    seconds = [[stage, f"{value:,.1f}"] for stage, value in found.timing.stage_seconds.items()]
    if seconds:
        tables.append(Table("Time that each stage took when it was made", ("stage", "seconds"), seconds))
    blocks.append(Gallery(tables))
    if configuration is not None:
        blocks.append(Details("Complete configuration", [Code("Configuration", configuration)]))
    return Section("making", "How it was made", blocks)


def _describe_latency(row: LatencyRow, arithmetic: str | None) -> list[str]:
    return [
        label_engine(row.engine, arithmetic),
        f"{row.batch_size}",
        _with_spread(row.dense.latency_ms),
        _with_spread(row.compressed.latency_ms),
        _speedup(row.speedup),
        _speedup(row.speedup_over_best_dense),
    ]


def _draw_steps(found: RunDocument, steps: Sequence[StepRow]) -> Chart:
    # Sparse training moves the zeros at a constant sparsity.
    moves = max(one.sparsity for one in steps) - min(one.sparsity for one in steps) < 0.005
    at = [float(one.step) if moves else 100 * one.sparsity for one in steps]
    before = [
        (x, 100 * one.accuracy_before) for x, one in zip(at, steps, strict=True) if one.accuracy_before is not None
    ]
    after = [(x, 100 * one.accuracy_after) for x, one in zip(at, steps, strict=True) if one.accuracy_after is not None]
    validated = found.run.get("val_accuracy")
    # The network that was pruned is the student, if there is one.
    before_pruning = validated.get("distil", validated.get("dense")) if isinstance(validated, dict) else None
    if isinstance(before_pruning, float):
        after.insert(0, (0.0, 100 * before_pruning))
    series = [Series("after recovery", after), Series("before recovery", before, dashed=True)]
    x = "pruning step" if moves else "sparsity of weights, %"
    spec = make_line_spec([one for one in series if one.points], x=x, y="validation accuracy, %", whole_steps=moves)
    described = f"Validation accuracy over {x.removesuffix(', %')}, before and after recovery, see table"
    return Chart("steps", "Pruning steps", described, spec)


def _describe_steps(found: RunDocument) -> Table:
    timed = found.timing.steps
    rows = []
    for one in found.pruning_history:
        latency = timed.latency_ms.get(f"{one.step:02d}") if timed else None
        rows.append(
            [
                f"{one.step}",
                f"{100 * one.sparsity:.2f}",
                percent(one.accuracy_before, unit=""),
                percent(one.accuracy_after, unit=""),
                "-" if one.bytes is None else format_size(one.bytes),
                "-" if latency is None else f"{latency.median:.3g}",
            ]
        )
    names = ("step", "sparsity, %", "before recovery, %", "after recovery, %", "file", "latency, ms")
    measured = f"; latency in {timed.engine}, batch {timed.batch_size}" if timed else ""
    return Table(f"Pruning steps: accuracy on held-out training images{measured}", names, rows)


def _list_series(histories: Histories, key: str, scale: float) -> list[Series]:
    found = {
        stage: [(row.get("epoch", index), scale * row[key]) for index, row in enumerate(rows, 1) if key in row]
        for stage, rows in histories.items()
    }
    return [Series(stage, points) for stage, points in found.items() if len(points) > 1]


def _name_epochs(stage: str, count: int) -> str:
    shown = "Every epoch" if count <= _MAX_EPOCHS else f"The first {_MAX_EPOCHS} of {count:,} epochs"
    return f"{shown} of {stage}"


def _describe_epochs(stage: str, rows: Sequence[Mapping[str, float | int]]) -> Table:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    shown = [[_show(row.get(key)) for key in keys] for row in rows[:_MAX_EPOCHS]]
    return Table(f"Training of {stage}", keys, shown)


def _limits(spread: Spread) -> tuple[float, float, float]:
    return spread.p10, spread.median, spread.p90


def _with_spread(spread: Spread) -> str:
    return f"{spread.median:.3g} ({spread.p10:.3g} to {spread.p90:.3g})"


def _speedup(spread: Spread | None) -> str:
    if spread is None:
        return "-"
    if spread.p10 <= 1 <= spread.p90:
        return "no difference"
    return format_ratio(spread.median, "faster", "slower") if spread.median else "-"


def _is_plain(value: Any) -> bool:
    return value is not None and not isinstance(value, (Mapping, list))


def _show(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "-" if value is None else str(value)

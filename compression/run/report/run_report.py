"""The files a run writes into its folder: models, metrics.json, both reports, and a summary in the logger."""

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from compression.artifact import read_contents
from compression.config.schema import MEASURING
from compression.core.file_names import (
    ARTIFACT,
    BEFORE_FINETUNE,
    DENSE_ONNX,
    FAILURES,
    METRICS,
    MODEL_CARD,
    ONNX,
    PICTURES,
    PRUNING_HISTORY,
    REPORT,
)
from compression.reporting.asked_sparsity import describe_asked
from compression.reporting.byte_shares import parts_to_markdown
from compression.reporting.failure_rows import failures_to_markdown
from compression.reporting.figures import save_figure
from compression.reporting.hparams import make_row
from compression.reporting.markdown import escape
from compression.reporting.metrics import collect_numbers
from compression.reporting.pruning_steps import make_history
from compression.reporting.pruning_steps import to_yaml as history_yaml
from compression.reporting.quantization_table import to_markdown as quantization_markdown
from compression.reporting.result_table import (
    describe_left_out,
    files_to_markdown,
    left_out_to_markdown,
    make_rows,
    to_markdown,
    to_rich,
)
from compression.reporting.run_card import make_model_card
from compression.reporting.training_sections import distillation_to_markdown, pruning_to_markdown
from compression.run.context import Context
from compression.run.job_log.job_log import Result
from compression.run.report.analysis_files import copy_analysis
from compression.run.report.earlier_results import read_stages, remove_analysis
from compression.run.report.model_files import copy_file, other_models
from compression.run.report.run_html import write_histories, write_run_html
from compression.run.report.run_pictures import NAMES, draw_pruning
from compression.run.report.run_results import describe_results
from compression.run.stage import Finished
from compression.stage_store.store import StageRecord
from compression.system.files import write_atomic

log = logging.getLogger(__name__)


def write_report(context: Context, made: Finished) -> dict[str, Any]:
    """Copy the models, write and print the results of the run; return the document of ``metrics.json``."""
    _gather_files(context, made)
    # The report counts the exports of other models as a part of the export.
    records = made.of_result
    metrics = describe_results(context, made, records)
    # A run that was reported from the same stages has its pictures already.
    same_model = read_stages(context.run_dir) == metrics["run"]["stages"]
    if not same_model:
        remove_analysis(context.run_dir)
    reported = same_model and context.log.has_summary()
    reported = reported and all(records[name].reused for name in MEASURING if name in records)
    if not reported:
        # After a kill from here on, the next command writes pictures and summary again.
        context.log.discard_summary()
    write_atomic(context.run_dir / METRICS, (json.dumps(metrics, indent=2) + "\n").encode())
    markdown = _write_markdown(context, records, metrics, draws=not reported)
    card = make_model_card(read_contents(context.run_dir / ARTIFACT), metrics)
    write_atomic(context.run_dir / MODEL_CARD, card.encode())
    write_histories(context.run_dir, _list_histories(records))
    write_run_html(context.run_dir)
    result = _make_result(context, metrics, markdown)
    if not reported:
        context.log.write_summary(result)
    context.log.write_row(result)
    _print_report(context, metrics)
    return metrics


def _write_markdown(
    context: Context, records: Mapping[str, StageRecord], metrics: Mapping[str, Any], *, draws: bool
) -> str:
    """Write ``report.md`` and the files that it refers to, and return its text; ``draws``: pictures of pruning too."""
    warnings = "".join(f"\nWarning: {escape(line)}.\n" for line in metrics["warnings"])
    asked, left_out = describe_asked(metrics), metrics["timing"]["left_out"]
    warnings += f"\n{asked}.\n" if asked else ""
    markdown = f"# {_title(context, metrics)}\n\n{to_markdown(make_rows(metrics))}{warnings}"
    small = context.run_dir / BEFORE_FINETUNE
    before_finetune = small.stat().st_size if small.exists() else None
    markdown += left_out_to_markdown(left_out) + files_to_markdown(metrics, before_finetune=before_finetune)
    markdown += parts_to_markdown(metrics["compressed"]["bytes"], metrics["dense"]["bytes"])
    markdown += distillation_to_markdown(metrics)
    figures: dict[str, Figure] = {}
    if "prune" in records:
        timed = metrics["timing"]["steps"]
        history = make_history(metrics["pruning_history"], unpruned=_unpruned_step(metrics), timed=timed)
        write_atomic(context.run_dir / PRUNING_HISTORY, history_yaml(history).encode())
        markdown += pruning_to_markdown(metrics, history)
        if draws:
            figures = draw_pruning(context.student, records, history=history, timed=timed)
    if metrics["quantization"] is not None:
        markdown += quantization_markdown(metrics["quantization"])
    if "analyze" in records:
        pictures = copy_analysis(records["analyze"].path, context.run_dir / FAILURES)
        markdown += failures_to_markdown(metrics["failure_modes"], folder=FAILURES, pictures=pictures)
    for name, figure in figures.items():
        save_figure(figure, context.run_dir / PICTURES / f"{name}.png")
    if draws:
        # The folder may hold pictures of an earlier run that it overwrites.
        for name in set(NAMES) - set(figures):
            (context.run_dir / PICTURES / f"{name}.png").unlink(missing_ok=True)
    if "prune" not in records:
        (context.run_dir / PRUNING_HISTORY).unlink(missing_ok=True)
    write_atomic(context.run_dir / REPORT, markdown.encode())
    return markdown


def _print_report(context: Context, metrics: Mapping[str, Any]) -> None:
    Console(width=None if sys.stdout.isatty() else 100).print(to_rich(make_rows(metrics), _title(context, metrics)))
    if asked := describe_asked(metrics):
        log.info("evaluate  %s", asked)
    for line in metrics["warnings"]:
        log.warning("evaluate  %s", line)
    for line in describe_left_out(metrics["timing"]["left_out"]):
        log.info("evaluate  %s", line)


def _title(context: Context, metrics: Mapping[str, Any]) -> str:
    return f"{context.run_dir.name}, {metrics['compressed']['test_images']:,} test images"


def _gather_files(context: Context, made: Finished) -> None:
    """Copy the models into the run's folder."""
    # For a quantized model, the evaluation has written the parity record into its own copy of the file.
    executed = made["evaluate"].path / ONNX
    wanted = {
        ARTIFACT: made["export"].path / ARTIFACT,
        ONNX: executed if executed.exists() else made["export"].path / ONNX,
        DENSE_ONNX: made["dense_export"].path / ONNX,
        **other_models(made),
    }
    for name, source in wanted.items():
        copy_file(source, context.run_dir / name)
    if BEFORE_FINETUNE not in wanted:
        # The folder may hold that of an earlier run that this one overwrites.
        (context.run_dir / BEFORE_FINETUNE).unlink(missing_ok=True)


def _list_histories(records: Mapping[str, StageRecord]) -> dict[str, Any]:
    return {name: record.results["history"] for name, record in records.items() if record.results.get("history")}


def _unpruned_step(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the accuracy and the bytes of the network before pruning; the bytes of a student are not known."""
    validated = metrics["run"]["val_accuracy"]
    if "distil" in validated:
        return {"accuracy_after": validated["distil"], "bytes": None}
    return {"accuracy_after": validated["dense"], "bytes": metrics["dense"]["bytes"]["artifact"]}


def _make_result(context: Context, metrics: Mapping[str, Any], markdown: str) -> Result:
    """Return the result for the run's log. The pictures are all those in the run's folder, whoever drew them."""
    drawn = (path for folder in (PICTURES, FAILURES) for path in sorted((context.run_dir / folder).glob("*.png")))
    return Result(
        row=make_row(metrics),
        numbers=collect_numbers({key: metrics[key] for key in ("dense", "compressed", "improvement")}),
        report=markdown,
        pictures={path.stem: path for path in drawn},
        files=[context.run_dir / name for name in (METRICS, REPORT, MODEL_CARD)],
    )

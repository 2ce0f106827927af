"""The files a run writes into its folder: models, metrics.json, both reports, and a summary in the logger."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from rich.console import Console

from compression.artifact import read_contents
from compression.config.schema import MEASURING
from compression.core.class_scores import find_monitored
from compression.core.file_names import (
    ARTIFACT,
    DENSE_ONNX,
    DENSE_WEIGHTS,
    FAILURES,
    METRICS,
    MODEL_CARD,
    ONNX,
    PICTURES,
    PREDICTIONS,
    PRUNING_HISTORY,
    REPORT,
    WEIGHTS,
)
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.plan import Plan, describe_arithmetic
from compression.reporting import provenance
from compression.reporting.asked_sparsity import describe_asked
from compression.reporting.byte_shares import parts_to_markdown
from compression.reporting.failure_rows import failures_to_markdown
from compression.reporting.figures import save_figure
from compression.reporting.hparams import make_row
from compression.reporting.markdown import escape, to_table
from compression.reporting.metrics import collect_numbers, make_metrics
from compression.reporting.pruning_steps import TARGET_NAMES, make_history
from compression.reporting.pruning_steps import to_markdown as history_markdown
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
from compression.run.context import Context
from compression.run.job_log.job_log import Result
from compression.run.report.analysis_files import copy_analysis, find_groups
from compression.run.report.class_figures import count_classes
from compression.run.report.earlier_results import read_stages, remove_analysis
from compression.run.report.file_bytes import with_byte_parts
from compression.run.report.model_files import copy_file
from compression.run.report.nonzero_macs import with_nonzero_macs
from compression.run.report.run_html import write_histories, write_run_html
from compression.run.report.run_pictures import NAMES, draw_pruning
from compression.run.stage import Finished
from compression.run.training.teaching import describe_distillation
from compression.stage_store.store import StageRecord
from compression.system.files import write_atomic

log = logging.getLogger(__name__)


def write_report(context: Context, made: Finished) -> dict[str, Any]:
    """Copy the models, write and print the results of the run; return the document of ``metrics.json``."""
    _gather_files(context, made)
    # The report counts the export of the dense model as a part of the export.
    records = {name: record for name, record in made.items() if name != "dense_export"}
    metrics = _make_metrics(context, made, records)
    # A run that was reported from the same stages has its pictures already.
    same_model = read_stages(context.run_dir) == metrics["run"]["stages"]
    if not same_model:
        remove_analysis(context.run_dir)
    reported = same_model and context.log.has_summary()
    reported = reported and all(records[name].reused for name in MEASURING if name in records)
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


def _make_metrics(context: Context, made: Finished, records: Mapping[str, StageRecord]) -> dict[str, Any]:
    return make_metrics(
        run=_describe_run(context, records),
        evaluated=with_byte_parts(with_nonzero_macs(context, records["evaluate"].results), _list_artifacts(made)),
        pruning_history=records["prune"].results["pruning_history"] if "prune" in records else [],
        compaction=records["compact"].results if "compact" in records else None,
        quantization=_describe_quantization(records),
        failure_modes=records["analyze"].results["summary"] if "analyze" in records else None,
        stage_seconds=_stage_seconds(made),
        classes=count_classes(records["evaluate"].path / PREDICTIONS, class_names=context.data.class_names),
        provenance={
            **context.store.made_with,
            "command": sys.argv,
            "finished": provenance.now(),
            # A reused stage may have been made by another version, on another day.
            "stages": {stage: record.made_with for stage, record in records.items()},
        },
    )


def _write_markdown(
    context: Context, records: Mapping[str, StageRecord], metrics: Mapping[str, Any], *, draws: bool
) -> str:
    """Write ``report.md`` and the files that it refers to, and return its text; ``draws``: pictures of pruning too."""
    warnings = "".join(f"\nWarning: {escape(line)}.\n" for line in metrics["warnings"])
    asked, left_out = describe_asked(metrics), metrics["timing"]["left_out"]
    warnings += f"\n{asked}.\n" if asked else ""
    markdown = f"# {_title(context, metrics)}\n\n{to_markdown(make_rows(metrics))}{warnings}"
    markdown += left_out_to_markdown(left_out) + files_to_markdown(metrics)
    markdown += parts_to_markdown(metrics["compressed"]["bytes"], metrics["dense"]["bytes"])
    markdown += _describe_distillation(metrics)
    figures: dict[str, Figure] = {}
    if "prune" in records:
        timed = metrics["timing"]["steps"]
        history = make_history(metrics["pruning_history"], unpruned=_unpruned_step(metrics), timed=timed)
        write_atomic(context.run_dir / PRUNING_HISTORY, history_yaml(history).encode())
        markdown += _describe_pruning(metrics, history)
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
        DENSE_WEIGHTS: made["dense"].path / WEIGHTS,
        DENSE_ONNX: made["dense_export"].path / ONNX,
    }
    for name, source in wanted.items():
        copy_file(source, context.run_dir / name)


def _list_artifacts(made: Finished) -> dict[str, Path]:
    return {"dense": made["dense_export"].path / ARTIFACT, "compressed": made["export"].path / ARTIFACT}


def _stage_seconds(made: Finished) -> dict[str, float]:
    """Return the seconds of each stage; ``export`` counts both exports, once if they are the same."""
    seconds = {name: record.seconds for name, record in made.items() if name != "dense_export"}
    exports = {record.id: record for record in (made["dense_export"], made["export"])}
    return seconds | {"export": sum(record.seconds for record in exports.values())}


def _describe_run(context: Context, records: Mapping[str, StageRecord]) -> dict[str, Any]:
    config = context.config
    return {
        "name": context.run_dir.name,
        "data": config.data["_target_"],
        "data_settings": context.data.identity,
        "class_groups": find_groups(context),
        "model": config.model["_target_"],
        "model_settings": context.architecture["kwargs"],
        "strategy": config.strategy.name,
        "target": config.strategy.target,
        "target_sparsity": config.target_sparsity,
        "distillation": describe_distillation(context),
        "stopped": records["prune"].results["stopped"] if "prune" in records else None,
        "weight_bits": config.weight_bits,
        "activation_bits": config.activation_bits,
        **_describe_actual_bits(records),
        "seed": config.seed,
        "threads": context.machine.threads,
        "precision": context.machine.precision,
        "device": context.machine.device.type,
        "batch_size": context.data.batch_size,
        "stages": {stage: record.id for stage, record in records.items() if stage not in MEASURING},
        "epochs": {
            stage: len(record.results["history"]) for stage, record in records.items() if record.results.get("history")
        },
        "val_accuracy": {
            stage: record.results["val_accuracy"]
            for stage, record in records.items()
            if "val_accuracy" in record.results
        },
        "monitor": context.monitor,
        "val_score": {
            stage: find_monitored(record.results)
            for stage, record in records.items()
            if "val_accuracy" in record.results
        },
    }


def _describe_actual_bits(records: Mapping[str, StageRecord]) -> dict[str, list[int]]:
    """Return the fewest and the most bits that any layer has. The processor or a budget can leave fewer than asked."""
    spans = ((FULL_PRECISION, FULL_PRECISION),) * 2
    if "quantize" in records:
        plan = Plan.from_json(records["quantize"].results["plan"])
        spans = plan.weight_span, plan.activation_span
    return {"actual_weight_bits": [*spans[0]], "actual_activation_bits": [*spans[1]]}


def _list_histories(records: Mapping[str, StageRecord]) -> dict[str, Any]:
    return {name: record.results["history"] for name, record in records.items() if record.results.get("history")}


def _describe_distillation(metrics: Mapping[str, Any]) -> str:
    taught = metrics["run"]["distillation"]
    if taught is None:
        return ""
    teacher = "the dense model of this run" if taught["teacher"] == "dense" else taught["teacher"]
    text = f"\n## Distillation\n\nTeacher: {teacher}; alpha {taught['alpha']:g}, temperature {taught['temperature']:g}"
    if taught["feature"] is not None:
        text += f"; {taught['feature']['kind']} of feature maps, weight {taught['feature']['weight']:g}"
    text += ".\n"
    if taught["student"] is not None:
        student, accuracy = taught["student"], metrics["run"]["val_accuracy"]
        text += (
            f"Student: {student['model']}, trained for {student['epochs']} epochs to {100 * accuracy['distil']:.2f} % "
            f"validation accuracy; the dense model has {100 * accuracy['dense']:.2f} %.\n"
        )
    return text


def _describe_quantization(records: Mapping[str, StageRecord]) -> dict[str, Any] | None:
    if "quantize" not in records:
        return None
    kept = ("method", "plan", "reduced_range", "layers", "left_in_float", "sparsity_before", "sparsity", "repairs")
    results = records["quantize"].results
    return {"arithmetic": describe_arithmetic(Plan.from_json(results["plan"])), **{key: results[key] for key in kept}}


def _describe_pruning(metrics: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> str:
    text = f"\n## Steps\n\n{history_markdown(history, timed=metrics['timing']['steps'])}"
    if metrics["run"]["target"] != "weights":
        target, fraction = metrics["run"]["target"], metrics["run"]["target_sparsity"]
        text += f"\nThe target was to remove {100 * fraction:g} % of {TARGET_NAMES[target]}.\n"
    if metrics["run"]["stopped"]:
        text += f"\nStopped: {metrics['run']['stopped']}.\n"
    if metrics["compaction"] and metrics["compaction"]["compacted"]:
        channels = metrics["compaction"]["channels"].items()
        rows = [(escape(name), str(old), str(new)) for name, (old, new) in channels]
        table = to_table(("first layer of the group", "before", "after"), rows)
        text += "\n".join(["", "## Channels", "", *table])
        text += f"\n\nThe logits differ by {metrics['compaction']['difference']:.1e} of the largest.\n"
    return text


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

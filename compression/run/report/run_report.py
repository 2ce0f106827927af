"""What a run leaves in its folder: the files it is for, metrics.json, report.md, and the summary in the logger."""

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.figure import Figure
from rich.console import Console

from compression.quantization.plan import Plan, describe_arithmetic
from compression.reporting import provenance
from compression.reporting.figures import save_figure
from compression.reporting.hparams import make_hparams, make_row
from compression.reporting.metrics import flatten, make_metrics
from compression.reporting.pruning_steps import make_history
from compression.reporting.pruning_steps import to_markdown as history_markdown
from compression.reporting.pruning_steps import to_yaml as history_yaml
from compression.reporting.quantization_table import to_markdown as quantization_markdown
from compression.reporting.result_table import files_to_markdown, make_rows, to_markdown, to_rich
from compression.run.building.network_files import WEIGHTS
from compression.run.context import Context
from compression.run.report.run_pictures import draw_pruning
from compression.run.stages import export
from compression.run.training.loggers import close_logger, has_step, log_row, make_logger
from compression.run.training.teaching import describe_distillation
from compression.stage_store.store import StageRecord
from compression.system.files import write_atomic

PICTURES = "pictures"


def gather_files(
    context: Context, dense_model: StageRecord, files: Mapping[str, StageRecord], evaluated: StageRecord
) -> None:
    """Copy the models into the run's folder; the store keeps its own, so that no edit reaches it."""
    # Where there are integers, the evaluation has put its parity record into the file.
    executed = evaluated.path / export.ONNX
    wanted = {
        "model.cmp": files["compressed"].path / export.ARTIFACT,
        "model.onnx": executed if executed.exists() else files["compressed"].path / export.ONNX,
        "dense.safetensors": dense_model.path / WEIGHTS,
        "dense.onnx": files["dense"].path / export.ONNX,
    }
    for name, source in wanted.items():
        temporary = context.run_dir / f".{name}.tmp"
        try:
            shutil.copyfile(source, temporary)
            temporary.replace(context.run_dir / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise


def write_report(
    context: Context, records: Mapping[str, StageRecord], stage_seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Write and print what the run found, and return the document of ``metrics.json``."""
    metrics = make_metrics(
        run=_describe_run(context, records),
        evaluated=records["evaluate"].results,
        pruning_history=records["prune"].results["pruning_history"] if "prune" in records else [],
        compaction=records["compact"].results if "compact" in records else None,
        quantization=_describe_quantization(records),
        stage_seconds=stage_seconds,
        provenance={
            **context.store.made_with,
            "command": sys.argv,
            "finished": provenance.now(),
            # A stage that was found finished may have been made by another version, on another day.
            "stages": {stage: record.made_with for stage, record in records.items()},
        },
    )
    write_atomic(context.run_dir / "metrics.json", (json.dumps(metrics, indent=2) + "\n").encode())
    rows = make_rows(metrics)
    title = f"{context.run_dir.name}, {metrics['compressed']['test_images']:,} test images"
    markdown = f"# {title}\n\n{to_markdown(rows)}{files_to_markdown(metrics)}"
    markdown += _describe_distillation(metrics)
    # What is answered from disk has its pictures already.
    reported = records["evaluate"].reused and any(context.run_dir.glob("*/summary"))
    figures: dict[str, Figure] = {}
    if "prune" in records:
        timed = metrics["timing"]["steps"]
        history = make_history(metrics["pruning_history"], dense=_dense_step(metrics), timed=timed)
        write_atomic(context.run_dir / "pruning_history.yaml", history_yaml(history).encode())
        markdown += _describe_pruning(metrics, history)
        if not reported:
            figures = draw_pruning(context.student, records, history=history, timed=timed)
    if metrics["quantization"] is not None:
        markdown += quantization_markdown(metrics["quantization"])
    for name, figure in figures.items():
        save_figure(figure, context.run_dir / PICTURES / f"{name}.png")
    write_atomic(context.run_dir / "report.md", markdown.encode())
    if not reported:
        _log_summary(context, metrics, markdown, figures)
    log_row(context, make_hparams(asdict(context.config)), make_row(metrics))
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else 100).print(to_rich(rows, title))
    return metrics


def replay_history(context: Context, record: StageRecord) -> None:
    """Log the curves of a stage that was found finished, so that this run's picture is whole as well.

    They may be here in part: this run was killed in the stage, and another finished it.
    """
    rows = record.results.get("history")
    if not rows:
        return
    logger = make_logger(context, record.key.stage)
    if has_step(logger, int(rows[-1]["update"])):
        return
    if logger.log_dir is not None:
        # Or points would be there twice.
        shutil.rmtree(logger.log_dir, ignore_errors=True)
    for row in rows:
        logger.log_metrics({key: value for key, value in row.items() if key != "update"}, step=int(row["update"]))
    for update, sparsity in record.results.get("sparsity_steps", []):
        logger.log_metrics(sparsity, step=update)
    close_logger(logger)


def _describe_run(context: Context, records: Mapping[str, StageRecord]) -> dict[str, Any]:
    config = context.config
    return {
        "name": context.run_dir.name,
        "data": config.data["_target_"],
        "data_settings": context.data_identity,
        "class_groups": {group: list(names) for group, names in context.dataset.class_groups.items()},
        "model": config.model["_target_"],
        "model_settings": context.architecture["kwargs"],
        "strategy": config.strategy.name,
        "target": config.strategy.target,
        "target_sparsity": config.target_sparsity,
        "distillation": describe_distillation(context),
        "stopped": records["prune"].results["stopped"] if "prune" in records else None,
        "weight_bits": config.weight_bits,
        "activation_bits": config.activation_bits,
        "seed": config.seed,
        "threads": context.threads,
        "precision": context.precision,
        "device": context.device.type,
        "batch_size": context.batch_size,
        "stages": {stage: record.id for stage, record in records.items() if stage != "evaluate"},
        "epochs": {
            stage: len(record.results["history"]) for stage, record in records.items() if record.results.get("history")
        },
        "val_accuracy": {
            stage: record.results["val_accuracy"]
            for stage, record in records.items()
            if "val_accuracy" in record.results
        },
    }


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
    if metrics["run"]["stopped"]:
        text += f"\nStopped: {metrics['run']['stopped']}.\n"
    if metrics["compaction"] and metrics["compaction"]["compacted"]:
        rows = [f"| {name} | {old} | {new} |" for name, (old, new) in metrics["compaction"]["channels"].items()]
        text += "\n".join(
            ["", "## Channels", "", "| first layer of the group | before | after |", "|---|---:|---:|", *rows]
        )
        text += f"\n\nThe logits differ by {metrics['compaction']['difference']:.1e} of the largest.\n"
    return text


def _dense_step(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "accuracy_after": metrics["run"]["val_accuracy"]["dense"],
        "bytes": metrics["dense"]["bytes"]["artifact"],
    }


def _log_summary(context: Context, metrics: Mapping[str, Any], markdown: str, figures: Mapping[str, Figure]) -> None:
    logger = make_logger(context, "summary")
    logger.log_metrics(flatten({key: metrics[key] for key in ("dense", "compressed", "improvement")}), step=0)
    if isinstance(logger, TensorBoardLogger):
        logger.experiment.add_text("result", markdown)
        for name, figure in figures.items():
            logger.experiment.add_figure(name, figure)
    close_logger(logger)

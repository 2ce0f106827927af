"""What ``metrics.json`` says of a run: its settings, its stages and what they found."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compression.config.schema import MEASURING
from compression.core.class_scores import find_monitored
from compression.core.file_names import ARTIFACT, PREDICTIONS
from compression.quantization.grid import FULL_PRECISION
from compression.quantization.plan import Plan, describe_arithmetic
from compression.reporting import provenance
from compression.reporting.metrics import make_metrics
from compression.run.context import Context
from compression.run.report.analysis_files import find_groups
from compression.run.report.class_figures import count_classes
from compression.run.report.file_bytes import with_byte_parts
from compression.run.stage import Finished
from compression.run.training.teaching import describe_distillation
from compression.stage_store.store import StageRecord


def describe_results(context: Context, made: Finished, records: Mapping[str, StageRecord]) -> dict[str, Any]:
    """Return the document of ``metrics.json``. ``records`` are the stages without the export of the dense model."""
    return make_metrics(
        run=_describe_run(context, records),
        evaluated=with_byte_parts(records["evaluate"].results, _list_artifacts(made)),
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


def _list_artifacts(made: Finished) -> dict[str, Path]:
    return {"dense": made["dense_export"].path / ARTIFACT, "compressed": made["export"].path / ARTIFACT}


def _stage_seconds(made: Finished) -> dict[str, float]:
    """Return the seconds of each stage; ``export`` counts all exports, once if they are the same."""
    seconds = {name: record.seconds for name, record in made.of_result.items()}
    exports = {record.id: record for name, record in made.items() if name.endswith("export")}
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


def _describe_quantization(records: Mapping[str, StageRecord]) -> dict[str, Any] | None:
    if "quantize" not in records:
        return None
    kept = ("method", "plan", "reduced_range", "layers", "left_in_float", "sparsity_before", "sparsity", "repairs")
    results = records["quantize"].results
    return {"arithmetic": describe_arithmetic(Plan.from_json(results["plan"])), **{key: results[key] for key in kept}}

"""The pipeline of a run: its stages in order, and the functions that run or plan them."""

import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from compression.config.schema import Config
from compression.core.file_names import ARTIFACT, FAILURES, METRICS, ONNX, PAGE, REPORT
from compression.data.base import Dataset
from compression.run.building.configured_sensitivity import needs_measurement
from compression.run.building.network_files import is_compacted
from compression.run.checks.check_run import check_run
from compression.run.context import Context, make_context
from compression.run.ranks import is_helper, joined_stage
from compression.run.report.earlier_results import hold_part, remove_results
from compression.run.report.model_files import leave_models
from compression.run.report.run_report import write_report
from compression.run.report.stage_log import log_stage
from compression.run.stage import Finished, Stage, always
from compression.run.stages.analyze import obtain_analysis
from compression.run.stages.bits import obtain_bit_table
from compression.run.stages.compact import obtain_compacted
from compression.run.stages.curvature import needs_curvature, obtain_curvature
from compression.run.stages.dense import obtain_dense
from compression.run.stages.distil import obtain_distilled
from compression.run.stages.evaluate import obtain_evaluated
from compression.run.stages.export import obtain_dense_export, obtain_exported
from compression.run.stages.finetune import obtain_finetuned
from compression.run.stages.prune import obtain_pruned
from compression.run.stages.quantize import obtain_quantized
from compression.run.stages.sensitivity import obtain_sensitivity
from compression.run.training.fit import TrainingJoined
from compression.run.workspace import quiet_libraries, workspace
from compression.stage_store.joining import JoiningStore
from compression.stage_store.planning import PlanningStore
from compression.stage_store.store import StageRecord

log = logging.getLogger(__name__)


def _finetunes(context: Context) -> bool:
    return context.config.strategy.finetune.epochs > 0


# Name, the condition for a run to have the stage, how to obtain it, and whether later stages work on its network.
STAGES = (
    Stage("dense", always, obtain_dense, leaves_network=always),
    Stage("distil", lambda run: run.has_student, obtain_distilled, leaves_network=always),
    Stage("sensitivity", needs_measurement, obtain_sensitivity),
    Stage("prune", lambda run: run.config.strategy.prunes, obtain_pruned, leaves_network=always),
    Stage("compact", lambda run: run.config.strategy.compacts, obtain_compacted, leaves_network=is_compacted),
    Stage("pruned_export", _finetunes, obtain_exported),
    Stage("finetune", _finetunes, obtain_finetuned, leaves_network=always),
    Stage("bits", lambda run: run.config.allocates_bits, obtain_bit_table),
    Stage("curvature", needs_curvature, obtain_curvature),
    Stage("quantize", lambda run: run.config.quantizes, obtain_quantized, leaves_network=always),
    Stage("dense_export", always, obtain_dense_export),
    Stage("export", always, obtain_exported),
    Stage("evaluate", always, obtain_evaluated),
    Stage("analyze", lambda run: run.config.analysis != "none", obtain_analysis),
)


def run(config: Config, *, run_dir: str | Path) -> float:
    """Run the stages up to ``config.until`` and return the objective: the compressed file's test accuracy.

    If ``until`` stops before ``evaluate``, the newest network is left as ``model.cmp`` and ``model.onnx``, and the
    objective is its validation accuracy. A folder that holds the finished run keeps its files. Raises ``InputError``
    for any wrong input, before training.
    """
    context = make_checked_context(config, Path(run_dir))
    if is_helper():
        join_training(context)
    _tell_monitor(context)
    with workspace(context):
        made = obtain_stages(context, on_obtained=log_stage)
        if "evaluate" not in made:
            _leave_newest(context, made)
            last = [record for record in made.values() if "val_accuracy" in record.results][-1]
            return float(last.results["val_accuracy"])
        metrics = write_report(context, made)
        files = [PAGE, REPORT, METRICS, ARTIFACT, ONNX]
        files += [FAILURES] if "analyze" in made else []
        log.info("in %s: %s", run_dir, ", ".join(files))
        return float(metrics["compressed"]["accuracy"])


def run_stages(config: Config, *, run_dir: Path) -> tuple[Context, Finished]:
    """Run the stages up to ``config.until`` without a report; return the run's context and its finished stages."""
    context = make_checked_context(config, run_dir)
    _tell_monitor(context)
    with workspace(context):
        return context, obtain_stages(context, on_obtained=log_stage)


def plan_stages(config: Config, *, run_dir: Path, dataset: Dataset | None = None) -> Finished:
    """Return the stages of a run by name, each finished or only planned. Nothing is trained.

    Runs that share ``dataset`` (from ``make_dataset``) list its files once.
    """
    checked = make_checked_context(config, run_dir, dataset)
    context = replace(checked, store=PlanningStore(checked.store))
    made = obtain_stages(context)
    if "export" not in made:
        made.add(Stage("export", always, obtain_exported), _export_newest(context, made))
    return made


def export_network(config: Config, *, run_dir: Path) -> bool:
    """Write the files of the newest network of the stages up to ``config.until`` into ``run_dir``.

    Return False, and write nothing, if one of these stages is not finished.
    """
    context = make_checked_context(config, run_dir)
    if any(record.planned for record in obtain_stages(replace(context, store=PlanningStore(context.store))).values()):
        return False
    with workspace(context):
        made = obtain_stages(context)
        leave_models(run_dir, made, exported=_export_newest(context, made))
    return True


def _leave_newest(context: Context, made: Finished) -> None:
    """Leave the newest network in the run's folder, unless the folder holds the results of the finished run."""
    until, folder = context.config.until, context.run_dir
    if hold_part(folder, made):
        # Its model would no longer be the one that its report describes.
        log.info(
            "stopped, because until=%s; %s keeps the model of its finished run; give a name=... for that of until=%s",
            *(until, folder, until),
        )
        return
    exported = _export_newest(context, made)
    remove_results(folder)
    left = leave_models(folder, made, exported=exported)
    log.info("stopped, because until=%s; in %s: %s", until, folder, ", ".join(left))


def _export_newest(context: Context, made: Finished) -> StageRecord:
    """Return the files of the newest network, also where ``until`` stops before they are wanted."""
    if "export" in made:
        return made["export"]
    if made.network is made["dense"]:
        return obtain_dense_export(context, made)
    return obtain_exported(context, made)


def join_training(context: Context) -> NoReturn:
    """Help in the training that another process of this run has started, then exit.

    A helper finds the same finished stages and reaches the stage that is being made. It trains with the other
    processes and exits when that training ends. It publishes, measures and writes nothing.
    """
    try:
        obtain_stages(replace(context, store=JoiningStore(context.store, joined_stage())))
    except TrainingJoined:
        sys.exit()
    raise AssertionError(f"no stage of this run is made in {joined_stage()}")


def make_checked_context(config: Config, run_dir: Path, dataset: Dataset | None = None) -> Context:
    """Return the context of a run after all checks; raises ``InputError`` for wrong input."""
    quiet_libraries()
    context = make_context(config, run_dir, dataset)
    check_run(context)
    return context


def _tell_monitor(context: Context) -> None:
    line = context.data.describe_monitor()
    if line is not None:
        log.info("training  %s", line)


def obtain_stages(
    context: Context, *, on_obtained: Callable[[Context, str, StageRecord], None] | None = None
) -> Finished:
    """Return the stages of a run by name, each found or made, in order up to ``until``.

    ``on_obtained`` is called after each stage.
    """
    made, names = Finished(), [stage.name for stage in STAGES]
    for stage in STAGES[: names.index(context.config.until) + 1]:
        if stage.wanted(context):
            record = stage.obtain(context, made)
            made.add(stage, record)
            if on_obtained is not None:
                on_obtained(context, stage.name, record)
    return made

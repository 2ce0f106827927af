"""The line that a run prints after each stage, and the curves of stages that were found finished."""

import logging

import torch

from compression.core.class_scores import Validated, describe_validated
from compression.quantization.plan import describe_arithmetic
from compression.reporting.pruning_steps import TARGET_NAMES
from compression.run.building.network_files import plan_of
from compression.run.context import Context
from compression.stage_store.store import StageRecord

log = logging.getLogger(__name__)


def log_stage(context: Context, name: str, record: StageRecord) -> None:
    """Print one line about an obtained stage. If the stage was found finished, log its curves again."""
    if context.machine.device.type == "cuda":
        # Free the GPU memory of this stage for the next stage and for other processes.
        torch.cuda.empty_cache()
    accuracy = record.results.get("val_accuracy")
    found = (
        ""
        if accuracy is None
        else describe_validated(Validated(accuracy, record.results.get("val_score")), context.monitor)
    )
    log.info(
        "%s  %s%s",
        name,
        "found finished" if record.reused else f"done in {record.seconds:.1f} s",
        f", validation {found}{_arithmetic(record)}" if found else "",
    )
    if "removed" in record.results:
        what, weights = TARGET_NAMES[context.config.strategy.target], 100 * record.results["sparsity"]
        log.info("%s  removed %.2f %% of %s, %.2f %% of weights", name, 100 * record.results["removed"], what, weights)
    if record.reused:
        replay_history(context, record)
    if record.results.get("stopped"):
        log.info("%s  %s", name, record.results["stopped"])


def replay_history(context: Context, record: StageRecord) -> None:
    """Log the curves of a stage that was found finished, so that this run's log has all curves."""
    rows = record.results.get("history") or []
    points = [(int(row["update"]), {key: value for key, value in row.items() if key != "update"}) for row in rows]
    if points:
        steps = [(int(update), sparsity) for update, sparsity in record.results.get("sparsity_steps", [])]
        context.log.replay(record.key.stage, [*points, *steps])


def _arithmetic(record: StageRecord) -> str:
    plan = plan_of(record)
    return "" if plan is None else f" ({describe_arithmetic(plan)})"

"""Sensitivity without a run: only the dense model is trained and measured, and nothing is pruned."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from compression.config.schema import Config
from compression.core.errors import InputError
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.run.building.configured_sensitivity import KINDS, check_kind
from compression.run.checks.check_model import check_model
from compression.run.context import Context
from compression.run.pipeline import make_checked_context
from compression.run.report.stage_log import log_stage
from compression.run.stage import Finished
from compression.run.stages.dense import obtain_dense
from compression.run.stages.sensitivity import obtain_sensitivity_of
from compression.run.workspace import workspace

log = logging.getLogger(__name__)


def sensitivity_without_run(
    config: Config, *, run_dir: Path, kinds: Sequence[str] | None = None
) -> Iterator[SensitivityTable]:
    """Yield the sensitivity of the dense model's layers, one table for each of ``kinds``: weights, channels.

    Without ``kinds``, all kinds that the model supports are measured. Raises ``InputError`` for an unsupported kind,
    before training.
    """
    if config.trainer.devices > 1:
        raise InputError(f"trainer.devices={config.trainer.devices}: sensitivity is measured by one process; must be 1")
    context = make_checked_context(config, run_dir)
    kinds = _supported_kinds(context) if kinds is None else kinds
    for kind in kinds:
        check_kind(context, check_model(context), kind)
    with workspace(context):
        dense = obtain_dense(context, Finished())
        log_stage(context, "dense", dense)
        for kind in kinds:
            record = obtain_sensitivity_of(context, dense, kind)
            log_stage(context, "sensitivity", record)
            yield SensitivityTable.from_json(record.results)


def _supported_kinds(context: Context) -> list[str]:
    supported = []
    for kind in KINDS:
        try:
            check_kind(context, check_model(context), kind)
        except InputError as error:
            log.info("sensitivity  %s skipped: %s", kind, error)
        else:
            supported.append(kind)
    return supported

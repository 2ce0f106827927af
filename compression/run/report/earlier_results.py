"""Results that an earlier run has left in a run's folder: whether they fit a run, and their removal."""

import contextlib
import json
from pathlib import Path
from typing import Any

from compression.config.schema import MEASURING
from compression.core.file_names import (
    BEFORE_FINETUNE,
    DENSE_ONNX,
    FAILURES,
    METRICS,
    MODEL_CARD,
    PAGE,
    PICTURES,
    PRUNING_HISTORY,
    REPORT,
    TRAINING_HISTORY,
)
from compression.reporting.write_failures import RECORD, TEXT, TITLES
from compression.run.report.run_pictures import NAMES
from compression.run.stage import Finished


def read_stages(folder: Path) -> Any:
    """Return the stages that the results in ``folder`` were made from, as a record has them; None without results."""
    try:
        return json.loads((folder / METRICS).read_bytes())["run"]["stages"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def hold_part(folder: Path, made: Finished) -> bool:
    """Return whether the results in ``folder`` are of a longer run that has all stages of ``made``."""
    stages = read_stages(folder)
    wanted = {name: record.id for name, record in made.of_result.items() if name not in MEASURING}
    return isinstance(stages, dict) and wanted.items() <= stages.items()


def remove_results(folder: Path) -> None:
    """Remove all that describes other models than those that will be in ``folder``. Files of the user stay."""
    # The record first: without it, the rest is nobody's result.
    for name in (METRICS, BEFORE_FINETUNE, REPORT, PAGE, MODEL_CARD, PRUNING_HISTORY, TRAINING_HISTORY, DENSE_ONNX):
        (folder / name).unlink(missing_ok=True)
    _remove(folder / PICTURES, [f"{name}.png" for name in NAMES])
    remove_analysis(folder)


def remove_analysis(folder: Path) -> None:
    """Remove the failure analysis of another model from the ``folder`` of a run."""
    _remove(folder / FAILURES, [RECORD, TEXT, PAGE, *TITLES])


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).unlink(missing_ok=True)
    # It may hold files of the user, or not exist.
    with contextlib.suppress(OSError):
        folder.rmdir()

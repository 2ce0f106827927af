"""The sensitivity stage: accuracy on held-out training images with each layer pruned alone, at a grid of sparsities.

Where models are chosen by another score than accuracy, that score is measured. The key of the parent says which.
"""

import logging
import sys
from functools import partial
from pathlib import Path

import torch
from hydra.utils import instantiate
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from compression.config.rules import result_settings
from compression.core.channels_last import to_channels_last_
from compression.core.class_scores import collect_confusions, score_confusions
from compression.core.eval_mode import evaluating
from compression.core.seeding import derive_seed, make_generator
from compression.core.selection import prunable_weights
from compression.pruning.evidence import Evidence
from compression.pruning.layer_sensitivity import SensitivityTable, measure_sensitivity
from compression.pruning.strategy import find_units
from compression.run.building.configured_sensitivity import KINDS, configured_kind
from compression.run.building.network_files import load_network
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.stage import Finished
from compression.stage_store.finished_layers import FinishedLayers
from compression.stage_store.store import Made, StageKey, StageRecord

log = logging.getLogger(__name__)

VERSION = 2


def obtain_sensitivity(context: Context, made: Finished) -> StageRecord:
    """Return the sensitivity of the newest network's layers, of the kind that the strategy needs."""
    return obtain_sensitivity_of(context.student, made.network, configured_kind(context.student))


def obtain_sensitivity_of(context: Context, parent: StageRecord, kind: str) -> StageRecord:
    """Return the sensitivity of the layers of ``parent``'s network; ``kind`` is ``weights`` or ``channels``."""
    inputs = {
        "settings": result_settings(context.config.sensitivity),
        "parts": KINDS[kind],
        "code": user_code(KINDS[kind]),
        "seed": context.config.seed,
        "arithmetic": context.machine.identity,
    }
    key = StageKey("sensitivity", VERSION, inputs, parents=(parent.id,))
    return context.store.obtain(key, partial(_measure, context, parent, kind))


def _measure(context: Context, parent: StageRecord, kind: str, folder: Path) -> Made:
    settings = context.config.sensitivity
    model = to_channels_last_(load_network(context, parent).to(context.machine.device))
    example = context.example(context.machine.device)
    units = find_units(
        instantiate(KINDS[kind]["granularity"]), model, example=example, amount=settings.sparsities[0], target=kind
    )
    images = context.data.val_subset(settings.images)
    finished = FinishedLayers(folder)
    # Only the number of scores per layer is used, so any scores will do.
    sizes = {name: score.numel() for name, score in units.reduce(_ones(model)).items()}
    found = measure_sensitivity(
        model,
        units=units,
        criterion=instantiate(KINDS[kind]["criterion"]),
        evidence=Evidence(model, example, make_generator(derive_seed(context.config.seed, "sensitivity"))),
        sparsities=settings.sparsities,
        measure=partial(_score, context, images),
        skip=list(finished.rows),
    )
    with _progress() as progress:
        task = progress.add_task(f"sensitivity ({kind})", total=len(sizes), completed=len(finished.rows))
        for name, row in found:
            finished.add(name, {f"{sparsity:g}": accuracy for sparsity, accuracy in row.items()})
            progress.advance(task)
            if progress.disable:
                log.info("sensitivity  %s  %d/%d", name, len(finished.rows), len(sizes))
    table = SensitivityTable.from_json(
        {
            "kind": kind,
            "baseline": _score(context, images, model),
            "images": sum(len(labels) for _, labels in images),
            "sizes": sizes,
            "accuracy": {name: finished.rows[name] for name in sizes},
        }
    )
    return Made(table.to_json(), finished.earlier_seconds)


def _score(context: Context, images: list[tuple[Tensor, Tensor]], model: nn.Module) -> float:
    with evaluating(model):
        matrix = collect_confusions(model, images, context.data.num_classes)
    return float(score_confusions(matrix, context.monitor))


def _ones(model: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(weight) for name, weight in prunable_weights(model).items()}


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, disable=not sys.stdout.isatty())

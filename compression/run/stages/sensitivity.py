"""The sensitivity stage: every prunable layer at a grid of sparsities, on held-out training images."""

import json
import logging
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from compression.core.accuracy import count_hits
from compression.core.errors import InputError
from compression.core.eval_mode import evaluating
from compression.core.seeding import derive_seed, make_generator
from compression.core.selection import prunable_weights
from compression.pruning.evidence import Evidence
from compression.pruning.layer_sensitivity import SensitivityTable, measure_sensitivity
from compression.pruning.strategy import find_units
from compression.run.building.network_files import load_network
from compression.run.building.validation_subset import held_out_images
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.stage_store.store import RESUME, Made, StageKey, StageRecord
from compression.system.files import write_atomic

log = logging.getLogger(__name__)

VERSION = 2
# What each kind prunes, and what by: nothing of a strategy's schedule or allocation bears on it.
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "weights": {
        "criterion": {"_target_": "compression.pruning.criteria.magnitude.Magnitude"},
        "granularity": {"_target_": "compression.pruning.granularities.weights.Weights"},
    },
    "channels": {
        "criterion": {"_target_": "compression.pruning.criteria.channel_norm.ChannelNorm", "p": 1},
        "granularity": {"_target_": "compression.pruning.granularities.channels.Channels", "round_to": 1},
    },
}


def sensitivity_wanted(context: Context) -> bool:
    """Whether the configured strategy shares its target by sensitivity."""
    allocation = instantiate(context.config.strategy.allocation)
    return bool(getattr(allocation, "needs_sensitivity", False))


def kind_wanted(context: Context) -> str:
    """Return which kind the configured strategy needs."""
    return "weights" if context.config.strategy.target == "weights" else "channels"


def read_given_table(context: Context) -> SensitivityTable | None:
    """Return the table that ``strategy.allocation.file`` names, None where none is; raises ``InputError``."""
    file = context.config.strategy.allocation.get("file")
    if file is None:
        return None
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"strategy.allocation.file={file}: no such file")
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"strategy.allocation.file={file} is not a table of sensitivity: {error}") from error
    return SensitivityTable.from_json(content, source=f"strategy.allocation.file={file}")


def check_kind(context: Context, model: nn.Module, kind: str) -> None:
    """Raise ``InputError`` if ``model`` has nothing of this kind to prune."""
    size = context.dataset.image_size
    granularity = instantiate(KINDS[kind]["granularity"])
    find_units(granularity, model, example=torch.zeros(2, 3, size, size), amount=0.5, target=kind)


def obtain_sensitivity(context: Context, parent: StageRecord, kind: str) -> StageRecord:
    """Return the sensitivity of the layers of ``parent``'s network; ``kind`` is ``weights`` or ``channels``."""
    inputs = {
        "settings": asdict(context.config.sensitivity),
        "parts": KINDS[kind],
        "code": user_code(KINDS[kind]),
        "seed": context.config.seed,
        "arithmetic": context.arithmetic_identity,
    }
    key = StageKey("sensitivity", VERSION, inputs, parents=(parent.id,))
    return context.store.obtain(key, partial(_measure, context, parent, kind))


def _measure(context: Context, parent: StageRecord, kind: str, folder: Path) -> Made:
    settings = context.config.sensitivity
    model = load_network(context, parent).to(context.device).to(memory_format=torch.channels_last)
    size = context.dataset.image_size
    example = torch.zeros(2, 3, size, size, device=context.device)
    units = find_units(
        instantiate(KINDS[kind]["granularity"]), model, example=example, amount=settings.sparsities[0], target=kind
    )
    images = held_out_images(context, settings.images)
    done_file = folder / RESUME / "layers.json"
    rows: dict[str, Any] = json.loads(done_file.read_text()) if done_file.exists() else {}
    # Scores of ones: only their number is wanted.
    sizes = {name: score.numel() for name, score in units.reduce(_ones(model)).items()}
    found = measure_sensitivity(
        model,
        units=units,
        criterion=instantiate(KINDS[kind]["criterion"]),
        evidence=Evidence(model, example, make_generator(derive_seed(context.config.seed, "sensitivity"))),
        sparsities=settings.sparsities,
        measure=partial(_accuracy, context, images),
        skip=list(rows),
    )
    with _progress() as progress:
        task = progress.add_task(f"sensitivity ({kind})", total=len(sizes), completed=len(rows))
        for name, row in found:
            rows[name] = {f"{sparsity:g}": accuracy for sparsity, accuracy in row.items()}
            write_atomic(done_file, json.dumps(rows).encode())
            progress.advance(task)
            if progress.disable:
                log.info("sensitivity  %s  %d/%d", name, len(rows), len(sizes))
    table = SensitivityTable.from_json(
        {
            "kind": kind,
            "baseline": _accuracy(context, images, model),
            "images": sum(len(labels) for _, labels in images),
            "sizes": sizes,
            "accuracy": {name: rows[name] for name in sizes},
        }
    )
    return Made(table.to_json())


def _accuracy(context: Context, images: list[tuple[Tensor, Tensor]], model: nn.Module) -> float:
    with evaluating(model):
        hits, totals = count_hits(model, images, context.num_classes)
    return float(hits.sum() / totals.sum())


def _ones(model: nn.Module) -> dict[str, Tensor]:
    return {name: torch.ones_like(weight) for name, weight in prunable_weights(model).items()}


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, disable=not sys.stdout.isatty())

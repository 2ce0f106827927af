"""The model of every pruning step, as a file of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compression.artifact import save_artifact
from compression.pruning.compaction import compact
from compression.run.building.network_files import describe_architecture
from compression.run.context import Context
from compression.run.stages.compact import ROUND_TO

STEPS = "steps"


def write_step(context: Context, folder: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the model of a step as a file of its own, without the channels it no longer reads."""
    model = context.build_model(pretrained=False)
    model.load_state_dict(weights)
    data = context.data
    settings = context.config.strategy
    compacted = settings.compact and settings.target != "weights"
    if compacted:
        example = torch.zeros(2, 3, data.image_size, data.image_size)
        model = compact(model, example, round_to=settings.granularity.get("round_to", ROUND_TO)).model
    save_artifact(
        folder / STEPS / f"{step:02d}.cmp",
        model.eval(),
        architecture=describe_architecture(context, compacted=compacted),
        class_names=data.class_names,
        input={"size": data.image_size, "mean": data.mean, "std": data.std},
        info={"step": step},
    )


def with_bytes(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Return the rows of steps with the bytes of each one's file."""
    return [row | {"bytes": (folder / STEPS / f"{row['step']:02d}.cmp").stat().st_size} for row in rows]

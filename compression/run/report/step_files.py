"""The model of every pruning step, as a separate artifact."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compression.artifact import save_artifact
from compression.core.file_names import STEPS
from compression.pruning.compaction import compact
from compression.run.building.configured_strategy import channel_multiple
from compression.run.building.network_files import describe_architecture
from compression.run.context import Context


def write_step(context: Context, folder: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the model of a pruning step into ``folder``. A strategy on channels removes the pruned channels first."""
    # A step may end inside of an epoch, whose later random numbers must not depend on it.
    device = context.machine.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        model = context.build_model(pretrained=False)
    model.load_state_dict(weights)
    settings = context.config.strategy
    compacted = settings.compact and settings.removes_channels
    if compacted:
        model = compact(model, context.example(), round_to=channel_multiple(context)).model
    save_artifact(
        folder / STEPS / f"{step:02d}.cmp",
        model.eval(),
        architecture=describe_architecture(context, compacted=compacted),
        class_names=context.data.class_names,
        input=context.data.input_spec,
        info={"step": step},
    )


def with_bytes(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Return the rows of pruning steps, each with ``bytes``, the size of its file."""
    return [row | {"bytes": (folder / STEPS / f"{row['step']:02d}.cmp").stat().st_size} for row in rows]

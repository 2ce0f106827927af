"""The network of a finished stage, as a file between stages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compression.core.widths import fit_widths_
from compression.stages.context import Context
from compression.store import StageRecord

WEIGHTS = "model.safetensors"


def save_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict as safetensors."""
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, path)


def load_network(context: Context, record: StageRecord) -> nn.Module:
    """Return the network that a stage made, with the channels it left."""
    state = load_file(record.path / WEIGHTS)
    model = context.build_model(pretrained=False)
    if is_compacted(record):
        fit_widths_(model, {name: value.shape for name, value in state.items()})
    model.load_state_dict(state)
    return model


def is_compacted(record: StageRecord) -> bool:
    """Whether channels of the stage's network are gone."""
    return bool(record.results.get("compacted"))


def describe_architecture(context: Context, *, compacted: bool) -> dict[str, Any]:
    """Return what an artifact says of the architecture, as plain JSON says it: tuples become lists here as there."""
    described: dict[str, Any] = json.loads(json.dumps({**context.architecture, "compacted": compacted}))
    return described

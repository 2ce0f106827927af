"""The network of a finished stage, as a file between stages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compression.core.widths import fit_widths_
from compression.quantization.network.graph import trace
from compression.quantization.network.integer_network import integer_network
from compression.quantization.plan import Plan
from compression.run.context import Context
from compression.stage_store.store import StageRecord

WEIGHTS = "model.safetensors"


def save_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict as safetensors."""
    save_file({name: value.detach().cpu().contiguous() for name, value in state.items()}, path)


def load_network(context: Context, record: StageRecord) -> nn.Module:
    """Return the network that a stage made, with the channels it left."""
    state = load_file(record.path / WEIGHTS)
    return build_network(context, state, compacted=is_compacted(record), plan=plan_of(record))


def build_network(context: Context, state: Mapping[str, Tensor], *, compacted: bool, plan: Plan | None) -> nn.Module:
    """Return the run's network with the tensors of ``state``; of integers where there is a ``plan``."""
    model = context.build_model(pretrained=False)
    if compacted:
        fit_widths_(model, {name: value.shape for name, value in state.items()})
    if plan is not None:
        model = integer_network(trace(model), plan)
    model.load_state_dict(state)
    return model


def plan_of(record: StageRecord) -> Plan | None:
    """Return how the stage's network is quantized, None where it is not."""
    plan = record.results.get("plan")
    return None if plan is None else Plan.from_json(plan)


def is_compacted(record: StageRecord) -> bool:
    """Whether channels of the stage's network are gone."""
    return bool(record.results.get("compacted"))


def describe_architecture(context: Context, *, compacted: bool) -> dict[str, Any]:
    """Return what an artifact says of the architecture, as plain JSON says it: tuples become lists here as there."""
    described: dict[str, Any] = json.loads(json.dumps({**context.architecture, "compacted": compacted}))
    return described

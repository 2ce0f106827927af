"""Networks of finished stages: written, read and rebuilt between stages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from compression.core.file_names import WEIGHTS
from compression.core.tracing import trace
from compression.core.widths import fit_widths_
from compression.quantization.network.integer_network import integer_network
from compression.quantization.plan import Plan
from compression.run.context import Context
from compression.stage_store.store import StageRecord


def save_tensors(state: Mapping[str, Tensor], path: Path) -> None:
    """Write a state dict as safetensors."""
    tensors: dict[str, Tensor] = {}
    memories: set[int] = set()
    for name, value in state.items():
        value = value.detach().cpu().contiguous()
        memory = value.untyped_storage()
        # safetensors refuses tensors that share memory, such as views of one buffer.
        alone = memory.data_ptr() not in memories and memory.nbytes() == value.nbytes
        tensors[name] = value if alone else value.clone()
        memories.add(memory.data_ptr())
    save_file(tensors, path)


def load_network(context: Context, record: StageRecord) -> nn.Module:
    """Return the network that a stage left in the store."""
    state = load_file(record.path / WEIGHTS)
    return build_network(context, state, compacted=is_compacted(record), plan=plan_of(record))


def build_network(context: Context, state: Mapping[str, Tensor], *, compacted: bool, plan: Plan | None) -> nn.Module:
    """Return the run's network with the tensors of ``state``; an integer network if there is a ``plan``.

    ``compacted`` says that ``state`` may have fewer channels than the architecture.
    """
    model = context.build_model(pretrained=False)
    if compacted:
        fit_widths_(model, {name: value.shape for name, value in state.items()})
    if plan is not None:
        model = integer_network(trace(model), plan)
    model.load_state_dict(state)
    return model


def plan_of(record: StageRecord) -> Plan | None:
    """Return how the stage's network is quantized, or None if it is not."""
    plan = record.results.get("plan")
    return None if plan is None else Plan.from_json(plan)


def is_compacted(record: StageRecord) -> bool:
    """Return whether the stage's network has fewer channels than its architecture."""
    return bool(record.results.get("compacted"))


def describe_architecture(context: Context, *, compacted: bool) -> dict[str, Any]:
    """Return the description of the architecture for an artifact, as plain JSON: tuples become lists."""
    described: dict[str, Any] = json.loads(json.dumps({**context.architecture, "compacted": compacted}))
    return described

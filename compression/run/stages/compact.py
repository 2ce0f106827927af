"""The compact stage: channels that no weight reads are removed from the network."""

from functools import partial
from pathlib import Path
from typing import Any

from compression.core.counting import count_macs, count_parameters
from compression.core.errors import InputError
from compression.core.file_names import WEIGHTS
from compression.pruning.compaction import compact
from compression.run.building.configured_strategy import channel_multiple
from compression.run.building.network_files import load_network, save_tensors
from compression.run.context import Context
from compression.run.stage import Finished
from compression.run.training.task import validate
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 1


def obtain_compacted(context: Context, made: Finished) -> StageRecord:
    """Return the pruned network without dead channels; ``compacted`` in its results is false if it has none."""
    student, parent = context.student, made.network
    inputs: dict[str, Any] = {
        # A channel granularity rounds its masks. Single weights can empty any number of channels.
        "round_to": channel_multiple(student),
        "required": student.config.strategy.removes_channels,
        "arithmetic": student.machine.identity,
    }
    key = StageKey("compact", VERSION, inputs, parents=(parent.id,))
    return student.store.obtain(key, partial(_compact, student, parent, inputs["round_to"], inputs["required"]))


def _compact(context: Context, parent: StageRecord, round_to: int, required: bool, folder: Path) -> Made:
    model = load_network(context, parent)
    size, channels = context.data.image_size, context.data.channels
    try:
        compacted = compact(model, context.example(), round_to=round_to)
    except InputError as error:
        if required:
            raise
        # The strategy prunes single weights, so it is not an error if channels cannot be removed.
        return Made({"compacted": False, "channels": {}, "reason": str(error)})
    if not compacted.channels:
        return Made({"compacted": False, "channels": {}, "reason": "no channel is without a reader"})
    save_tensors(compacted.model.state_dict(), folder / WEIGHTS)
    validated = validate(context, compacted.model)
    small = compacted.model.cpu()
    return Made(
        {
            "compacted": True,
            "channels": {name: list(change) for name, change in compacted.channels.items()},
            "difference": compacted.difference,
            "parameters": [count_parameters(model), count_parameters(small)],
            "macs": [count_macs(one, size, channels=channels) for one in (model, small)],
            **validated.to_results(),
        }
    )

"""The compact stage: the channels that nothing reads are removed for good."""

from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer

from compression.core.counting import count_macs, count_parameters
from compression.core.errors import InputError
from compression.pruning.compaction import compact
from compression.run.building.network_files import WEIGHTS, load_network, save_tensors
from compression.run.context import Context
from compression.run.stages import dense
from compression.run.training.fit import make_trainer
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 1
ROUND_TO = 8


def obtain_compacted(context: Context, parent: StageRecord) -> StageRecord:
    """Return the pruned network of ``parent`` without dead channels; ``compacted`` is false where it has none."""
    inputs = {
        # Masks of channels are rounded by their granularity; single weights empty any number of them.
        "round_to": context.config.strategy.granularity.get("round_to", ROUND_TO),
        "required": context.config.strategy.target != "weights",
        "arithmetic": context.arithmetic_identity,
    }
    key = StageKey("compact", VERSION, inputs, parents=(parent.id,))
    return context.store.obtain(key, partial(_compact, context, parent, inputs["round_to"], inputs["required"]))


def _compact(context: Context, parent: StageRecord, round_to: int, required: bool, folder: Path) -> Made:
    model = load_network(context, parent)
    size = context.dataset.image_size
    try:
        compacted = compact(model, torch.zeros(2, 3, size, size), round_to=round_to)
    except InputError as error:
        if required:
            raise
        # Single weights were asked for; that channels cannot go is worth a word, not a failure.
        return Made({"compacted": False, "channels": {}, "reason": str(error)})
    if not compacted.channels:
        return Made({"compacted": False, "channels": {}, "reason": "no channel is without a reader"})
    save_tensors(compacted.model.state_dict(), folder / WEIGHTS)
    task = dense.make_task(context, compacted.model, dense.constant_lr)
    trainer: Trainer = make_trainer(context, logger=False, enable_checkpointing=False)
    [metrics] = trainer.validate(task, context.val_batches(), verbose=False)
    small = compacted.model.cpu()
    return Made(
        {
            "compacted": True,
            "channels": {name: list(change) for name, change in compacted.channels.items()},
            "difference": compacted.difference,
            "parameters": [count_parameters(model), count_parameters(small)],
            "macs": [count_macs(model, size), count_macs(small, size)],
            "val_accuracy": metrics["val/accuracy"],
        }
    )

"""The dense stage: the baseline, trained from random or given weights, or read from ``model.weights``."""

from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from torch import nn

from compression.callbacks.frozen_body import FrozenBody
from compression.core.file_names import INITIAL, WEIGHTS
from compression.run.building.configured_loss import training_settings
from compression.run.building.given_weights import (
    find_head,
    hash_given_weights,
    load_given_weights_,
    starts_from_weights,
)
from compression.run.building.network_files import save_tensors
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.stage import Finished
from compression.run.training.configured_callbacks import callback_inputs
from compression.run.training.from_scratch import train_from_scratch
from compression.run.training.task import validate
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 2


def obtain_dense(context: Context, made: Finished) -> StageRecord:
    """Return the dense model of this run."""
    del made
    config = context.config
    given = config.model.get("weights")
    inputs: dict[str, Any] = {
        "data": context.data.identity,
        "model": context.architecture,
        "code": user_code(config.model),
        "seed": config.seed,
        "arithmetic": context.machine.identity,
    }
    starts = starts_from_weights(context)
    if given is not None:
        inputs["weights"] = hash_given_weights(given)
    if given is not None and not starts:
        # Later stages choose by it.
        inputs |= {} if context.monitor == "accuracy" else {"monitor": context.monitor}
        make = partial(_take_weights, context)
    else:
        inputs |= {"training": training_settings(context), **callback_inputs(context)}
        make = partial(
            train_from_scratch,
            context,
            "dense",
            num_epochs=config.training.epochs,
            initialize=partial(load_given_weights_, context) if starts else None,
            teach=partial(_freeze, context),
        )
    return context.store.obtain(StageKey("dense", VERSION, inputs), make)


def _freeze(context: Context, model: nn.Module) -> list[Callback]:
    num_epochs = context.config.training.freeze_epochs
    return [FrozenBody(num_epochs, head=find_head(context, model))] if num_epochs else []


def _take_weights(context: Context, folder: Path) -> Made:
    model = context.build_model(pretrained=False)
    save_tensors(model.state_dict(), folder / INITIAL)
    load_given_weights_(context, model)
    save_tensors(model.state_dict(), folder / WEIGHTS)
    return Made({**validate(context, model).to_results(), "best_epoch": 0, "history": []})

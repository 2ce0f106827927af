"""The dense stage: train the baseline, or take given weights in its place."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch import Callback
from torch import nn

from compression.artifact import read_weights
from compression.callbacks.early_weights import EarlyWeights
from compression.core.errors import InputError
from compression.core.learning_rate import warmup_cosine
from compression.models.load_weights import load_weights_
from compression.run.building.network_files import WEIGHTS, save_tensors
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.training.fit import fit, make_trainer
from compression.stage_store.store import Made, StageKey, StageRecord
from compression.tasks.classification import Classification

log = logging.getLogger(__name__)

VERSION = 2
INITIAL = "initial.safetensors"
EARLY = "early.safetensors"


def obtain_dense(context: Context) -> StageRecord:
    """Return the dense model of this run."""
    config = context.config
    given = config.model.get("weights")
    inputs: dict[str, Any] = {
        "data": context.data_identity,
        "model": context.architecture,
        "code": user_code(config.model),
        "seed": config.seed,
        "arithmetic": context.arithmetic_identity,
    }
    if given is not None:
        inputs["weights"] = hashlib.sha256(_given_file(given).read_bytes()).hexdigest()
        make = partial(_take_weights, context, given)
    else:
        inputs |= {"training": asdict(config.training), "callbacks": config.callbacks or {}}
        make = partial(train_anew, context, "dense", num_epochs=config.training.epochs)
    return context.store.obtain(StageKey("dense", VERSION, inputs), make)


def check_given_weights(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` if ``model.weights`` names a file that does not fit ``model``."""
    given = context.config.model.get("weights")
    if given is not None:
        load_weights_(model, read_weights(_given_file(given)), source=given)


def check_start(context: Context) -> None:
    """Raise ``InputError`` if the strategy goes back to early weights, which given weights do not have."""
    strategy = context.config.strategy
    given = context.config.model.get("weights")
    for key, wanted in (("strategy.start", strategy.start), ("strategy.recovery.rewind", strategy.recovery.rewind)):
        if given is not None and wanted == "early":
            raise InputError(f"{key}=early contradicts model.weights={given}: there are no early weights; use initial")


def make_task(context: Context, model: nn.Module, lr_factor: Any, **optimizer_settings: Any) -> Classification:
    """Return the task that trains ``model`` by the configured optimizer and loss."""
    training = context.config.training
    return Classification(
        model,
        num_classes=context.num_classes,
        optimizer=instantiate(training.optimizer, **optimizer_settings),
        lr_factor=lr_factor,
        label_smoothing=training.label_smoothing,
    )


def constant_lr(update: int) -> float:
    """Return 1: the factor of a learning rate that is never used, or never changes."""
    del update
    return 1.0


def train_anew(
    context: Context,
    stage: str,
    folder: Path,
    *,
    num_epochs: int,
    initialize: Callable[[nn.Module], None] | None = None,
    teach: Callable[[nn.Module], Sequence[Callback]] | None = None,
) -> Made:
    """Train the context's network from its initial weights.

    ``initialize`` changes those in place; ``teach`` gives callbacks for the network, beside the configured.
    """
    training = context.config.training
    model = context.build_model()
    if initialize is not None:
        initialize(model)
    # Strategies that start from initial weights need them; a resumed run builds the same ones.
    save_tensors(model.state_dict(), folder / INITIAL)
    early = EarlyWeights(training.early_epoch, lambda net: save_tensors(net.state_dict(), folder / EARLY))
    updates = len(context.train_batches(devices=context.devices))
    lr_factor = partial(
        warmup_cosine,
        num_updates=updates * num_epochs,
        num_warmup=round(updates * num_epochs * training.warmup),
        floor=training.min_lr / training.optimizer["lr"],
    )
    task = make_task(context, model, lr_factor)
    configured = [instantiate(settings) for settings in (context.config.callbacks or {}).values()]
    callbacks = [early, *configured, *(teach(model) if teach else ())]
    fitted = fit(context, stage, folder, task, num_epochs=num_epochs, callbacks=callbacks, devices=context.devices)
    save_tensors(fitted.weights, folder / WEIGHTS)
    results = {
        "val_accuracy": fitted.val_accuracy,
        "best_epoch": fitted.best_epoch,
        "history": fitted.rows,
    }
    return Made(results, fitted.earlier_seconds)


def _take_weights(context: Context, given: str, folder: Path) -> Made:
    model = context.build_model(pretrained=False)
    save_tensors(model.state_dict(), folder / INITIAL)
    load_weights_(model, read_weights(_given_file(given)), source=given)
    save_tensors(model.state_dict(), folder / WEIGHTS)
    task = make_task(context, model, constant_lr)
    trainer = make_trainer(context, logger=False, enable_checkpointing=False)
    [metrics] = trainer.validate(task, context.val_batches(), verbose=False)
    return Made({"val_accuracy": metrics["val/accuracy"], "best_epoch": 0, "history": []})


def _given_file(given: str) -> Path:
    path = Path(given).expanduser()
    if not path.is_file():
        raise InputError(f"model.weights={given}: no such file")
    return path

"""The prune stage: the strategy's steps, with recovery training after each."""

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning.pytorch import Callback
from safetensors.torch import load_file
from torch import Tensor, nn

from compression.artifact import save_artifact
from compression.callbacks.batch_norm_penalty import BatchNormPenalty
from compression.callbacks.best_weights import BestWeights
from compression.callbacks.pruning import PruningCallback
from compression.callbacks.step_recorder import StepRecorder
from compression.core.accuracy import count_hits
from compression.core.evaluating import evaluating
from compression.core.learning_rate import repeated_cosine
from compression.core.masks import MaskSet
from compression.core.seeding import derive_seed
from compression.pruning.compaction import compact
from compression.pruning.sensitivity import SensitivityTable
from compression.pruning.strategy import Strategy, find_units
from compression.pruning.timeline import Timeline
from compression.stages import dense
from compression.stages.context import Context
from compression.stages.fit import fit
from compression.stages.network_files import WEIGHTS, describe_architecture, load_network, save_tensors
from compression.stages.user_code import user_code
from compression.store import Made, StageKey, StageRecord

log = logging.getLogger(__name__)

VERSION = 2
MASKS = "masks.safetensors"
STEPS = "steps"
# The cosine of each step ends here, as a fraction of where it starts.
_LR_FLOOR = 0.01
_FIRST_WEIGHTS = {"dense": WEIGHTS, "initial": dense.INITIAL, "early": dense.EARLY}


def make_strategy(context: Context, model: nn.Module, *, sensitivity: SensitivityTable | None = None) -> Strategy:
    """Return the configured strategy for ``model``; raises ``InputError`` for a bad parameter."""
    settings = context.config.strategy
    allocation = instantiate(settings.allocation)
    if sensitivity is not None:
        allocation = allocation.measured(sensitivity.highest_sparsities(allocation.max_drop))
    size = context.dataset.image_size
    example = torch.zeros(2, 3, size, size, device=next(model.parameters()).device)
    amount = context.config.target_sparsity
    return Strategy(
        criterion=instantiate(settings.criterion),
        units=find_units(
            instantiate(settings.granularity),
            model,
            example=example,
            amount=amount,
            target=settings.target,
            protect=settings.protect,
        ),
        allocation=allocation,
        schedule=instantiate(settings.schedule),
        regrowth=instantiate(settings.regrowth) if settings.regrowth else None,
        amount=amount,
        seed=derive_seed(context.config.seed, "prune"),
        example=example,
    )


def obtain_pruned(context: Context, parent: StageRecord, sensitivity: SensitivityTable | None = None) -> StageRecord:
    """Return the pruned model of this run; ``sensitivity`` is for a strategy that asks for it."""
    config = context.config
    # What a recipe is called changes nothing, nor does what is done with the pruned model.
    strategy = _without(asdict(config.strategy), "name", "sparsity", "fixed_sparsity", "compact", "finetune")
    training = _without(asdict(config.training), "warmup", "min_lr", "early_epoch")
    if config.strategy.recovery.epochs is not None:
        # How long dense training took is in the parent.
        training = _without(training, "epochs")
    inputs = {
        "strategy": strategy,
        "code": user_code(strategy),
        "sparsity": config.target_sparsity,
        "training": training,
        "seed": config.seed,
        "arithmetic": context.arithmetic_identity,
    }
    if sensitivity is not None:
        inputs["sensitivity"] = sensitivity.to_json()
    key = StageKey("prune", VERSION, inputs, parents=(parent.id,))
    return context.store.obtain(key, partial(_prune, context, parent, sensitivity))


def make_timeline(context: Context, num_steps: int, updates_per_epoch: int) -> Timeline:
    """Return when the steps fall: ``recovery.epochs``, more where they hold fewer than ``min_updates``."""
    recovery = context.config.strategy.recovery
    epochs = context.config.training.epochs if recovery.epochs is None else recovery.epochs
    if epochs > 0:
        epochs = max(epochs, math.ceil(recovery.min_updates / updates_per_epoch))
    return Timeline(
        num_steps=num_steps,
        updates_per_epoch=updates_per_epoch,
        epochs=epochs,
        lead_epochs=recovery.lead_epochs,
        spread=recovery.spread if epochs > 0 else None,
    )


def _prune(context: Context, parent: StageRecord, table: SensitivityTable | None, folder: Path) -> Made:
    settings, training = context.config.strategy, context.config.training
    model = load_network(context, parent)
    model.load_state_dict(load_file(parent.path / _FIRST_WEIGHTS[settings.start]))
    model.to(context.device)
    strategy = make_strategy(context, model, sensitivity=table)
    timeline = make_timeline(context, strategy.num_steps, len(context.train_batches()))
    drop = settings.max_accuracy_drop
    best = BestWeights()
    recorder = StepRecorder(
        best,
        measure=partial(_measure, context),
        write=partial(_write_step, context, folder),
        # Whole images: a drop of exactly the limit is within it.
        lowest=None if drop is None else parent.results["val_accuracy"] - drop / 100 - 1e-9,
    )
    rewind = settings.recovery.rewind
    pruning = PruningCallback(
        strategy,
        step_updates=timeline.step_updates,
        batches=context.plain_train_batches(),
        num_batches=settings.recovery.batch_norm_batches,
        recorder=recorder,
        rewind_to=None if rewind == "none" else load_file(parent.path / _FIRST_WEIGHTS[rewind]),
    )
    rows, seconds, best_epoch = [], 0.0, 0
    if timeline.num_epochs > 0:
        lr_factor = partial(
            repeated_cosine,
            cycle=max(1, timeline.cycle),
            floor=_LR_FLOOR,
            lead=timeline.lead,
            warmup=settings.recovery.warmup,
        )
        lr = settings.recovery.lr_factor * training.optimizer["lr"]
        task = dense.make_task(context, model, lr_factor, lr=lr)
        penalty = settings.recovery.batch_norm_l1
        callbacks: list[Callback] = [BatchNormPenalty(penalty)] if penalty else []
        fitted = fit(
            context,
            "prune",
            folder,
            task,
            num_epochs=timeline.num_epochs,
            callbacks=[*callbacks, pruning, recorder],
            best=best,
        )
        rows, seconds, best_epoch = fitted.rows, fitted.earlier_seconds, fitted.best_epoch
    while not recorder.stopped and pruning.step < strategy.num_steps:
        pruning.advance(model, update=timeline.lead)
    recorder.finish_step(model, pruning.masks)
    weights, masks, row = _outcome(recorder, pruning, model, parent)
    assert masks.hold(weights), "a pruned weight came back"
    save_tensors(weights, folder / WEIGHTS)
    save_tensors(masks, folder / MASKS)
    results = {
        "val_accuracy": row["accuracy_after"],
        "best_epoch": best_epoch,
        "history": rows,
        "sparsity": masks.sparsity,
        "layer_sparsity": masks.layer_sparsity,
        "sparsity_steps": pruning.sparsity_steps,
        "pruning_history": _with_bytes(recorder.rows, folder),
        "stopped": _describe_stop(recorder, row, drop),
        "layers_left_whole": list(strategy.units.whole),
    }
    return Made(results, seconds)


def _outcome(
    recorder: StepRecorder, pruning: PruningCallback, model: nn.Module, parent: StageRecord
) -> tuple[Mapping[str, Tensor], MaskSet, dict[str, Any]]:
    """Return weights, masks and row of the last step, or of the last that was accurate enough."""
    if not recorder.stopped:
        weights = recorder.best.weights or {name: value.cpu() for name, value in model.state_dict().items()}
        return weights, pruning.masks.to("cpu"), recorder.rows[-1]
    if recorder.accepted is None:
        row = {"step": 0, "accuracy_after": parent.results["val_accuracy"]}
        return load_file(parent.path / WEIGHTS), pruning.strategy.units.dense_masks().to("cpu"), row
    accepted, masks, row = recorder.accepted
    return accepted, MaskSet(masks), row


def _describe_stop(recorder: StepRecorder, kept: Mapping[str, Any], drop: float | None) -> str | None:
    if not recorder.stopped:
        return None
    last = recorder.rows[-1]
    reason = (
        f"step {last['step']} ({100 * last['sparsity']:.1f} % sparse) has {100 * last['accuracy_after']:.2f} % "
        f"validation accuracy, more than strategy.max_accuracy_drop={drop:g} points below the dense model; "
    )
    return reason + (f"kept step {kept['step']}" if kept["step"] else "kept the dense model")


def _measure(context: Context, model: nn.Module) -> float:
    with evaluating(model):
        hits, totals = count_hits(model, context.val_batches(), context.num_classes)
    return float(hits.sum() / totals.sum())


def _write_step(context: Context, folder: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the model of a step as a file of its own, without the channels it no longer reads."""
    model = context.build_model(pretrained=False)
    model.load_state_dict(weights)
    data = context.data
    settings = context.config.strategy
    compacted = settings.compact and settings.target != "weights"
    if compacted:
        model = compact(model, torch.zeros(2, 3, data.image_size, data.image_size)).model
    save_artifact(
        folder / STEPS / f"{step:02d}.cmp",
        model.eval(),
        architecture=describe_architecture(context, compacted=compacted),
        class_names=data.class_names,
        input={"size": data.image_size, "mean": data.mean, "std": data.std},
        info={"strategy": settings.name, "step": step},
    )


def _with_bytes(rows: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    return [row | {"bytes": (folder / STEPS / f"{row['step']:02d}.cmp").stat().st_size} for row in rows]


def _without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in names}

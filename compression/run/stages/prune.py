"""The prune stage: the steps of a strategy, each followed by recovery training."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback
from safetensors.torch import load_file
from torch import Tensor, nn

from compression.callbacks.batch_norm_penalty import BatchNormPenalty
from compression.callbacks.best_weights import BestWeights
from compression.callbacks.pruning import PruningCallback
from compression.callbacks.step_recorder import StepRecorder
from compression.config.rules import result_settings
from compression.core.class_scores import MONITORS, Validated, collect_confusions, find_monitored, validate_confusions
from compression.core.eval_mode import evaluating
from compression.core.file_names import EARLY, INITIAL, MASKS, WEIGHTS
from compression.core.learning_rate import LR_FLOOR, repeated_cosine
from compression.core.masks import MaskSet
from compression.pruning.costed_weights import CostedWeightUnits
from compression.pruning.layer_sensitivity import SensitivityTable
from compression.pruning.strategy import Strategy
from compression.pruning.timeline import Timeline
from compression.run.building.configured_loss import training_settings
from compression.run.building.configured_sensitivity import needs_sensitivity, read_given_table
from compression.run.building.configured_strategy import make_strategy, make_timeline
from compression.run.building.network_files import load_network, save_tensors
from compression.run.code_identity import user_code
from compression.run.context import Context
from compression.run.report.step_files import with_bytes, write_step
from compression.run.stage import Finished
from compression.run.training.ddp import agree
from compression.run.training.fit import Fitted, fit
from compression.run.training.task import make_task
from compression.run.training.teaching import distillation_callbacks, distillation_identity
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 5
_OF_DENSE_TRAINING = ("warmup", "min_lr", "early_epoch", "freeze_epochs", "fine_tune", "first_size")
_FIRST_WEIGHTS = {"dense": WEIGHTS, "initial": INITIAL, "early": EARLY}


def obtain_pruned(context: Context, made: Finished) -> StageRecord:
    """Return the pruned model of this run.

    With distillation, the dense model teaches during recovery unless the configuration names another teacher.
    """
    student, parent, teacher = context.student, made.network, made["dense"]
    sensitivity = _sensitivity_table(student, made.get("sensitivity"))
    config = student.config
    # Neither a recipe's name nor the training of the compacted model changes this stage's result.
    strategy = _without(result_settings(config.strategy), "name", "sparsity", "fixed_sparsity", "finetune")
    training = _without(training_settings(student), *_OF_DENSE_TRAINING)
    if config.strategy.recovery.epochs is not None:
        # The parent's key has the length of dense training.
        training = _without(training, "epochs")
    inputs = {
        "strategy": strategy,
        "code": user_code(strategy),
        "sparsity": config.target_sparsity,
        "training": training,
        "seed": config.seed,
        "arithmetic": student.machine.identity,
        **distillation_identity(student, teacher),
    }
    if config.strategy.recovery.spread is not None:
        # In earlier versions, the file of a step inside of an epoch restarted the random numbers of dropout.
        inputs["random"] = "not restarted by files"
    if sensitivity is not None:
        inputs["sensitivity"] = sensitivity.to_json()
        # Its content counts, and not the place of its file.
        strategy["allocation"]["file"] = None
    key = StageKey("prune", VERSION, inputs, parents=(parent.id,))
    return student.store.obtain(key, partial(_prune, student, parent, teacher, sensitivity))


def _sensitivity_table(context: Context, measured: StageRecord | None) -> SensitivityTable | None:
    """Return the table that the strategy allocates by; None if it needs none, or if its measurement is only planned."""
    if not needs_sensitivity(context):
        return None
    if measured is None:
        return read_given_table(context)
    return None if measured.planned else SensitivityTable.from_json(measured.results)


def _prune(
    context: Context, parent: StageRecord, teacher: StageRecord, table: SensitivityTable | None, folder: Path
) -> Made:
    model = load_network(context, parent)
    model.load_state_dict(load_file(parent.path / _FIRST_WEIGHTS[context.config.strategy.start]))
    model.to(context.machine.device)
    strategy = make_strategy(context, model, sensitivity=table)
    num_batches = len(context.data.train_batches(devices=context.machine.devices))
    timeline = make_timeline(context, strategy.num_steps, num_batches)
    recorder = _make_recorder(context, parent, folder)
    pruning = _make_callback(context, parent, strategy, timeline, recorder)
    fitted = None
    if timeline.num_epochs > 0:
        fitted = _recover(context, teacher, folder, model, timeline=timeline, pruning=pruning)
    while not recorder.stopped and pruning.step < strategy.num_steps:
        pruning.advance(model, update=timeline.lead)
    recorder.finish_step(model, pruning.masks)
    weights, masks, row = _outcome(recorder, pruning, model, parent)
    assert masks.hold(weights), "a pruned weight came back"
    save_tensors(weights, folder / WEIGHTS)
    save_tensors(masks, folder / MASKS)
    whole = "student" if parent.key.stage == "distil" else "dense model"
    results = {
        **Validated(row["accuracy_after"], row.get("score_after")).to_results(),
        "best_epoch": 0 if fitted is None else fitted.best_epoch,
        "history": [] if fitted is None else fitted.rows,
        "sparsity": masks.sparsity,
        "layer_sparsity": masks.layer_sparsity,
        "sparsity_steps": pruning.sparsity_steps,
        "pruning_history": with_bytes(recorder.rows, folder),
        "stopped": _describe_stop(context, recorder, row, whole),
        "layers_left_whole": list(strategy.units.whole),
    }
    if isinstance(strategy.units, CostedWeightUnits):
        results["removed"] = strategy.units.removed(masks)
    return Made(results, 0.0 if fitted is None else fitted.earlier_seconds)


def _make_recorder(context: Context, parent: StageRecord, folder: Path) -> StepRecorder:
    drop = context.config.strategy.max_accuracy_drop
    return StepRecorder(
        BestWeights(context.monitor),
        measure=partial(_measure, context),
        write=partial(write_step, context, folder),
        # The margin lets a drop of exactly the limit pass.
        lowest=None if drop is None else find_monitored(parent.results) - drop / 100 - 1e-9,
    )


def _make_callback(
    context: Context, parent: StageRecord, strategy: Strategy, timeline: Timeline, recorder: StepRecorder
) -> PruningCallback:
    recovery = context.config.strategy.recovery
    return PruningCallback(
        strategy,
        step_updates=timeline.step_updates,
        batches=context.data.plain_train_batches(),
        # A separate loader that stays in its first epoch, so that statistics always come from the same images.
        norm_batches=context.data.train_batches(),
        num_batches=recovery.batch_norm_batches,
        recorder=recorder,
        rewind_to=None if recovery.rewind == "none" else load_file(parent.path / _FIRST_WEIGHTS[recovery.rewind]),
    )


def _recover(
    context: Context,
    teacher: StageRecord,
    folder: Path,
    model: nn.Module,
    *,
    timeline: Timeline,
    pruning: PruningCallback,
) -> Fitted:
    """Train ``model``, which ``pruning`` prunes on the way, and return what the training recorded."""
    recovery = context.config.strategy.recovery
    lr_factor = partial(
        repeated_cosine,
        cycle=max(1, timeline.cycle),
        floor=LR_FLOOR,
        lead=timeline.lead,
        warmup=recovery.warmup,
    )
    lr = recovery.lr_factor * context.config.training.optimizer["lr"] if recovery.lr is None else recovery.lr
    task = make_task(context, model, lr_factor, lr=lr)
    penalty: list[Callback] = [BatchNormPenalty(recovery.batch_norm_l1)] if recovery.batch_norm_l1 else []
    fitted = fit(
        context,
        "prune",
        folder,
        task,
        num_epochs=timeline.num_epochs,
        callbacks=[*penalty, pruning, pruning.recorder, *distillation_callbacks(context, teacher, model)],
        best=pruning.recorder.best,
        devices=context.machine.devices,
    )
    # Lightning leaves the network on the CPU.
    model.to(context.machine.device)
    pruning.masks = pruning.masks.to(context.machine.device)
    return fitted


def _outcome(
    recorder: StepRecorder, pruning: PruningCallback, model: nn.Module, parent: StageRecord
) -> tuple[Mapping[str, Tensor], MaskSet, dict[str, Any]]:
    """Return weights, masks and row of the last step, or of the last step that was accurate enough."""
    if not recorder.stopped:
        weights = recorder.best.weights or {name: value.cpu() for name, value in model.state_dict().items()}
        return weights, pruning.masks.to("cpu"), recorder.rows[-1]
    if recorder.accepted is None:
        row = {"step": 0, "accuracy_after": parent.results["val_accuracy"]}
        if "val_score" in parent.results:
            row["score_after"] = parent.results["val_score"]
        return load_file(parent.path / WEIGHTS), pruning.strategy.units.dense_masks().to("cpu"), row
    accepted, masks, row = recorder.accepted
    return accepted, MaskSet(masks), row


def _describe_stop(context: Context, recorder: StepRecorder, kept: Mapping[str, Any], whole: str) -> str | None:
    if not recorder.stopped:
        return None
    last, drop = recorder.rows[-1], context.config.strategy.max_accuracy_drop
    reached = last.get("score_after", last["accuracy_after"])
    reason = (
        f"step {last['step']} ({100 * last['sparsity']:.1f} % sparse) has {100 * reached:.2f} % "
        f"validation {MONITORS[context.monitor]}, more than strategy.max_accuracy_drop={drop:g} points below the "
        f"{whole}; "
    )
    return reason + (f"kept step {kept['step']}" if kept["step"] else f"kept the {whole}")


def _measure(context: Context, model: nn.Module) -> Validated:
    with evaluating(model):
        matrix = collect_confusions(model, context.data.val_batches(), context.data.num_classes)
    found = validate_confusions(matrix, context.monitor)
    # Processes that train together must also stop together, so all of them use one score.
    return Validated(agree(found.accuracy), None if found.score is None else agree(found.score))


def _without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in names}

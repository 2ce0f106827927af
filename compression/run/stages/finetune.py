"""The finetune stage: the compacted network trained on, as an ordinary one."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from compression.core.learning_rate import repeated_cosine
from compression.run.building.network_files import WEIGHTS, is_compacted, load_network, save_tensors
from compression.run.context import Context
from compression.run.stages import dense
from compression.run.training.fit import fit
from compression.run.training.teaching import distillation_callbacks, distillation_identity
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 1
_LR_FLOOR = 0.01


def obtain_finetuned(context: Context, parent: StageRecord, *, teacher: StageRecord) -> StageRecord:
    """Return the network of ``parent`` after ``strategy.finetune.epochs`` of training.

    ``teacher`` is the dense model of the run; it teaches where there is distillation and no other teacher is given.
    """
    training = asdict(context.config.training)
    inputs = {
        "finetune": asdict(context.config.strategy.finetune),
        "training": {key: training[key] for key in ("optimizer", "label_smoothing", "gradient_clip")},
        "seed": context.config.seed,
        "arithmetic": context.arithmetic_identity,
        **distillation_identity(context, teacher),
    }
    return context.store.obtain(
        StageKey("finetune", VERSION, inputs, parents=(parent.id,)), partial(_finetune, context, parent, teacher)
    )


def _finetune(context: Context, parent: StageRecord, teacher: StageRecord, folder: Path) -> Made:
    settings = context.config.strategy.finetune
    updates = len(context.train_batches(devices=context.devices)) * settings.epochs
    model = load_network(context, parent)
    task = dense.make_task(
        context,
        model,
        partial(repeated_cosine, cycle=updates, floor=_LR_FLOOR),
        lr=settings.lr_factor * context.config.training.optimizer["lr"],
    )
    callbacks = distillation_callbacks(context, teacher, model)
    fitted = fit(
        context, "finetune", folder, task, num_epochs=settings.epochs, callbacks=callbacks, devices=context.devices
    )
    save_tensors(fitted.weights, folder / WEIGHTS)
    results = {
        "compacted": is_compacted(parent),
        "val_accuracy": fitted.val_accuracy,
        "best_epoch": fitted.best_epoch,
        "history": fitted.rows,
    }
    return Made(results, fitted.earlier_seconds)

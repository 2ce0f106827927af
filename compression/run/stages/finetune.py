"""The finetune stage: ordinary training of the compacted network."""

from functools import partial
from pathlib import Path

from compression.config.rules import result_settings
from compression.core.file_names import WEIGHTS
from compression.core.learning_rate import LR_FLOOR, repeated_cosine
from compression.run.building.configured_loss import shared_settings
from compression.run.building.network_files import is_compacted, load_network, save_tensors
from compression.run.context import Context
from compression.run.stage import Finished
from compression.run.training.fit import fit
from compression.run.training.task import make_task
from compression.run.training.teaching import distillation_callbacks, distillation_identity
from compression.stage_store.store import Made, StageKey, StageRecord

VERSION = 1


def obtain_finetuned(context: Context, made: Finished) -> StageRecord:
    """Return the newest network after ``strategy.finetune.epochs`` more epochs.

    With distillation, the dense model teaches it unless the configuration names another teacher.
    """
    student, parent, teacher = context.student, made.network, made["dense"]
    inputs = {
        "finetune": result_settings(student.config.strategy.finetune),
        "training": shared_settings(student),
        "seed": student.config.seed,
        "arithmetic": student.machine.identity,
        **distillation_identity(student, teacher),
    }
    key = StageKey("finetune", VERSION, inputs, parents=(parent.id,))
    return student.store.obtain(key, partial(_finetune, student, parent, teacher))


def _finetune(context: Context, parent: StageRecord, teacher: StageRecord, folder: Path) -> Made:
    settings, devices = context.config.strategy.finetune, context.machine.devices
    updates = len(context.data.train_batches(devices=devices)) * settings.epochs
    model = load_network(context, parent)
    task = make_task(
        context,
        model,
        partial(repeated_cosine, cycle=updates, floor=LR_FLOOR),
        lr=settings.lr_factor * context.config.training.optimizer["lr"],
    )
    callbacks = distillation_callbacks(context, teacher, model)
    fitted = fit(context, "finetune", folder, task, num_epochs=settings.epochs, callbacks=callbacks, devices=devices)
    save_tensors(fitted.weights, folder / WEIGHTS)
    results = {
        "compacted": is_compacted(parent),
        **fitted.validated.to_results(),
        "best_epoch": fitted.best_epoch,
        "history": fitted.rows,
    }
    return Made(results, fitted.earlier_seconds)

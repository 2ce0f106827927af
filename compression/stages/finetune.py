"""The finetune stage: the compacted network trained on, as an ordinary one."""

from dataclasses import asdict
from functools import partial
from pathlib import Path

from compression.core.learning_rate import repeated_cosine
from compression.stages import dense
from compression.stages.context import Context
from compression.stages.fit import fit
from compression.stages.network_files import WEIGHTS, is_compacted, load_network, save_tensors
from compression.store import Made, StageKey, StageRecord

VERSION = 1
_LR_FLOOR = 0.01


def obtain_finetuned(context: Context, parent: StageRecord) -> StageRecord:
    """Return the network of ``parent`` after ``strategy.finetune.epochs`` of training."""
    training = asdict(context.config.training)
    inputs = {
        "finetune": asdict(context.config.strategy.finetune),
        "training": {key: training[key] for key in ("optimizer", "label_smoothing", "gradient_clip")},
        "seed": context.config.seed,
        "arithmetic": context.arithmetic_identity,
    }
    return context.store.obtain(
        StageKey("finetune", VERSION, inputs, parents=(parent.id,)), partial(_finetune, context, parent)
    )


def _finetune(context: Context, parent: StageRecord, folder: Path) -> Made:
    settings = context.config.strategy.finetune
    updates = len(context.train_batches()) * settings.epochs
    task = dense.make_task(
        context,
        load_network(context, parent),
        partial(repeated_cosine, cycle=updates, floor=_LR_FLOOR),
        lr=settings.lr_factor * context.config.training.optimizer["lr"],
    )
    fitted = fit(context, "finetune", folder, task, num_epochs=settings.epochs)
    save_tensors(fitted.weights, folder / WEIGHTS)
    results = {
        "compacted": is_compacted(parent),
        "val_accuracy": fitted.val_accuracy,
        "best_epoch": fitted.best_epoch,
        "history": fitted.rows,
    }
    return Made(results, fitted.earlier_seconds)

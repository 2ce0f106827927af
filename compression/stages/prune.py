"""The prune stage: the strategy's steps, with recovery training after each."""

import math
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from safetensors.torch import load_file, save_file

from compression.callbacks.pruning import PruningCallback
from compression.core.learning_rate import repeated_cosine
from compression.core.seeding import derive_seed
from compression.pruning.strategy import Strategy
from compression.stages import dense
from compression.stages.context import Context
from compression.stages.fit import fit
from compression.stages.user_code import user_code
from compression.store import Made, StageKey, StageRecord

VERSION = 1
MASKS = "masks.safetensors"
# The cosine of each step ends here, as a fraction of where it starts.
_LR_FLOOR = 0.01


def make_strategy(context: Context) -> Strategy:
    """Return the configured strategy; raises ``InputError`` for a bad parameter."""
    settings = context.config.strategy
    return Strategy(
        criterion=instantiate(settings.criterion),
        granularity=instantiate(settings.granularity),
        allocation=instantiate(settings.allocation),
        schedule=instantiate(settings.schedule),
        target=context.config.target_sparsity,
        seed=derive_seed(context.config.seed, "prune"),
    )


def obtain_pruned(context: Context, parent: StageRecord) -> StageRecord:
    """Return the pruned model of this run."""
    config = context.config
    # What a recipe is called changes nothing; how long dense training took is in the parent.
    strategy = _without(asdict(config.strategy), "name", "sparsity", "fixed_sparsity")
    training = _without(asdict(config.training), "epochs", "warmup", "min_lr")
    inputs = {
        "strategy": strategy,
        "code": user_code(strategy),
        "sparsity": config.target_sparsity,
        "training": training,
        "seed": config.seed,
        "arithmetic": context.arithmetic_identity,
    }
    key = StageKey("prune", VERSION, inputs, parents=(parent.id,))
    return context.store.obtain(key, partial(_prune, context, parent))


def epochs_per_step(*, epochs: int, min_updates: int, updates_per_epoch: int) -> int:
    """Return the epochs of one recovery: as asked, more where they hold fewer than ``min_updates``."""
    return max(epochs, math.ceil(min_updates / updates_per_epoch))


def _prune(context: Context, parent: StageRecord, folder: Path) -> Made:
    recovery = context.config.strategy.recovery
    strategy = make_strategy(context)
    model = context.build_model(pretrained=False)
    model.load_state_dict(load_file(parent.path / dense.WEIGHTS))
    updates = len(context.train_batches())
    step_epochs = epochs_per_step(epochs=recovery.epochs, min_updates=recovery.min_updates, updates_per_epoch=updates)
    lr_factor = partial(repeated_cosine, cycle=step_epochs * updates, floor=_LR_FLOOR)
    task = dense.make_task(context, model, lr_factor, lr=recovery.lr_factor * context.config.training.optimizer["lr"])
    pruning = PruningCallback(
        strategy,
        epochs_per_step=step_epochs,
        batches=context.plain_train_batches(),
        num_batches=recovery.batch_norm_batches,
    )
    fitted = fit(
        context,
        "prune",
        folder,
        task,
        num_epochs=strategy.num_steps * step_epochs,
        callbacks=[pruning],
        eligible=lambda: pruning.at_target,
    )
    assert pruning.masks is not None
    masks = pruning.masks.to("cpu")
    assert masks.hold(fitted.weights), "a pruned weight came back"
    save_file({name: value.contiguous() for name, value in fitted.weights.items()}, folder / dense.WEIGHTS)
    save_file(dict(masks), folder / MASKS)
    results = {
        "val_accuracy": fitted.val_accuracy,
        "best_epoch": fitted.best_epoch,
        "history": fitted.rows,
        "sparsity": masks.sparsity,
        "layer_sparsity": masks.layer_sparsity,
        "sparsity_steps": pruning.sparsity_steps,
    }
    return Made(results, fitted.earlier_seconds)


def _without(settings: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key not in names}

"""Training of a network from its initial weights: the dense model's, or a student's."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lightning.pytorch import Callback
from torch import nn

from compression.callbacks.early_weights import EarlyWeights
from compression.callbacks.progressive_size import ProgressiveSize
from compression.core.file_names import EARLY, INITIAL, WEIGHTS
from compression.core.learning_rate import warmup_cosine
from compression.run.building.network_files import save_tensors
from compression.run.context import Context
from compression.run.training.configured_callbacks import make_callbacks
from compression.run.training.fit import fit
from compression.run.training.task import make_task
from compression.stage_store.store import Made


def train_from_scratch(
    context: Context,
    stage: str,
    folder: Path,
    *,
    num_epochs: int,
    initialize: Callable[[nn.Module], object] | None = None,
    teach: Callable[[nn.Module], Sequence[Callback]] | None = None,
) -> Made:
    """Train the context's network from its initial weights, and write its weights into ``folder``.

    ``initialize`` changes the initial weights in place. ``teach`` returns callbacks for the network, in addition to
    the configured ones. Initial and early weights are written too, because strategies may return to them.
    """
    training = context.config.training
    model = context.build_model()
    if initialize is not None:
        initialize(model)
    # A resumed run builds the same initial weights again.
    save_tensors(model.state_dict(), folder / INITIAL)
    early = EarlyWeights(training.early_epoch, lambda net: save_tensors(net.state_dict(), folder / EARLY))
    devices = context.machine.devices
    updates = len(context.data.train_batches(devices=devices))
    lr_factor = partial(
        warmup_cosine,
        num_updates=updates * num_epochs,
        num_warmup=round(updates * num_epochs * training.warmup),
        floor=training.min_lr / training.optimizer["lr"],
    )
    task = make_task(context, model, lr_factor)
    sized = [ProgressiveSize(training.first_size)] if training.first_size < 1 else []
    callbacks = [early, *sized, *make_callbacks(context), *(teach(model) if teach else ())]
    fitted = fit(context, stage, folder, task, num_epochs=num_epochs, callbacks=callbacks, devices=devices)
    save_tensors(fitted.weights, folder / WEIGHTS)
    results = {
        **fitted.validated.to_results(),
        "best_epoch": fitted.best_epoch,
        "history": fitted.rows,
    }
    return Made(results, fitted.earlier_seconds)

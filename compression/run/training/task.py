"""The Lightning task of a network, and its accuracy on held-out training images."""

from collections.abc import Iterable
from typing import Any

from hydra.utils import instantiate
from lightning.pytorch import Callback
from torch import nn

from compression.core.class_scores import Validated
from compression.core.selection import HoldsIntegers
from compression.run.building.configured_loss import make_label_loss
from compression.run.context import Context
from compression.run.training.fit import make_trainer
from compression.tasks.classification import Classification


def make_task(context: Context, model: nn.Module, lr_factor: Any, **optimizer_settings: Any) -> Classification:
    """Return the task that trains ``model`` with the configured optimizer and loss.

    ``lr_factor`` maps the number of an update (from 0) to the factor of the learning rate.
    """
    training = context.config.training
    return Classification(
        model,
        num_classes=context.data.num_classes,
        optimizer=instantiate(training.optimizer, **optimizer_settings),
        lr_factor=lr_factor,
        label_loss=make_label_loss(context),
        monitor=context.monitor,
    )


def validate(context: Context, model: nn.Module, *, callbacks: Iterable[Callback] = ()) -> Validated:
    """Return the accuracy of ``model`` on the held-out training images, and the monitored score."""
    task = make_task(context, model, _constant_lr)
    # Floats carry the integers of a quantized network. bf16 would round sums and biases above 256.
    integers = any(isinstance(module, HoldsIntegers) for module in model.modules())
    precision = "32-true" if integers else context.machine.precision
    trainer = make_trainer(context, callbacks=callbacks, logger=False, enable_checkpointing=False, precision=precision)
    [metrics] = trainer.validate(task, context.data.val_batches(), verbose=False)
    score = None if context.monitor == "accuracy" else float(metrics[f"val/{context.monitor}"])
    return Validated(float(metrics["val/accuracy"]), score)


def _constant_lr(update: int) -> float:
    del update
    return 1.0

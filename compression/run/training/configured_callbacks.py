"""The callbacks that the configuration adds to a training from scratch."""

from typing import Any

from lightning.pytorch import Callback
from lightning.pytorch import callbacks as lightning

from compression.config.make_part import make_part
from compression.core.errors import InputError
from compression.run.code_identity import foreign_code
from compression.run.context import Context

# Scores of every training. That which chooses the best epoch is logged too.
_LOGGED = ("val/accuracy", "val/loss", "train/accuracy", "train/loss")
# They write checkpoints, or change weights, batches or learning rates in ways that the key of a stage does not know.
_REFUSED = (
    lightning.BaseFinetuning,
    lightning.BatchSizeFinder,
    lightning.Checkpoint,
    lightning.GradientAccumulationScheduler,
    lightning.LearningRateFinder,
    lightning.ModelPruning,
    lightning.StochasticWeightAveraging,
    lightning.WeightAveraging,
)


def callback_inputs(context: Context) -> dict[str, Any]:
    """Return the callbacks of a training from scratch, and their code, for the key of its stage."""
    callbacks = context.config.callbacks or {}
    code = foreign_code(callbacks)
    return {"callbacks": callbacks, **({"callbacks_code": code} if code else {})}


def make_callbacks(context: Context) -> list[Callback]:
    """Return the configured callbacks.

    Raises ``InputError`` for an object that is not a callback, for one whose work a run does itself, and for one that
    watches a score that is not logged.
    """
    configured = (context.config.callbacks or {}).items()
    found = {
        f"callbacks.{name}": make_part(settings, Callback, key=f"callbacks.{name}") for name, settings in configured
    }
    for key, callback in found.items():
        if isinstance(callback, _REFUSED):
            raise InputError(
                f"{key}: {type(callback).__name__} cannot be used: a run chooses its weights, batches, learning rates "
                "and checkpoints itself; leave it out"
            )
        watched = getattr(callback, "monitor", None)
        logged = dict.fromkeys([*_LOGGED, f"val/{context.monitor}"])
        if isinstance(watched, str) and watched not in logged:
            raise InputError(
                f"{key}.monitor={watched} is not logged: must be one of {', '.join(logged)}; training.monitor adds one"
            )
    return list(found.values())

"""The loss and the monitored score that the configuration asks for, and the settings that stages are keyed by."""

import difflib
from collections.abc import Mapping
from typing import Any

import torch

from compression.config.rules import result_settings
from compression.core.errors import InputError
from compression.core.label_loss import LabelLoss, balance_classes, normalize_weights
from compression.core.text import shorten
from compression.run.code_identity import foreign_code
from compression.run.context import Context


def make_label_loss(context: Context) -> LabelLoss:
    """Return the loss of labels in every training of the run. Class weights are on average 1 per training image."""
    training = context.config.training
    return LabelLoss(
        label_smoothing=training.label_smoothing,
        gamma=training.focal_gamma if training.loss == "focal" else None,
        weights=_make_weights(context, training.class_weights),
    )


def _make_weights(context: Context, wanted: Any) -> torch.Tensor | None:
    if wanted == "none":
        return None
    counts = torch.bincount(context.data.images.train.labels.cpu(), minlength=context.data.num_classes)
    if wanted == "balanced":
        return balance_classes(counts)
    if _draws_classes_alike(context):
        counts = (counts > 0).to(counts.dtype)
    given = _by_name(wanted)
    return normalize_weights(torch.tensor([given.get(name, 1.0) for name in context.data.class_names]), counts)


def _draws_classes_alike(context: Context) -> bool:
    return context.data.dataset.sampling == "balanced"


def check_class_weights(context: Context) -> None:
    """Raise ``InputError`` if ``training.class_weights`` names an unknown class."""
    wanted, names = context.config.training.class_weights, context.data.class_names
    for name in _by_name(wanted) if isinstance(wanted, Mapping) else ():
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise InputError(f"training.class_weights.{name}: must be one of the classes {shorten(names)}{hint}")


def _by_name(wanted: Mapping[Any, float]) -> dict[str, float]:
    # YAML reads a class named 7 as a number.
    return {str(name): float(weight) for name, weight in wanted.items()}


def training_settings(context: Context) -> dict[str, Any]:
    """Return the settings of training for the key of a stage.

    The score that epochs are chosen by counts as found, and not at all if it is accuracy. So ``auto`` on other data
    gives another key, and trainings from before the setting existed are found.
    """
    settings = {key: value for key, value in result_settings(context.config.training).items() if key != "monitor"}
    if context.monitor != "accuracy":
        settings["monitor"] = context.monitor
    if code := foreign_code(settings["optimizer"]):
        settings["code"] = code
    if isinstance(settings.get("class_weights"), Mapping) and _draws_classes_alike(context):
        # They were scaled as if images were drawn by their natural frequency.
        settings["class_weights"] = {"by_name": settings["class_weights"], "scaled": "as drawn"}
    return settings


# The settings of dense training that every later training shares.
_SHARED = ("optimizer", "label_smoothing", "gradient_clip", "loss", "focal_gamma", "class_weights", "monitor", "code")


def shared_settings(context: Context) -> dict[str, Any]:
    """Return the settings that fine-tuning and quantization-aware training take from dense training."""
    return {key: value for key, value in training_settings(context).items() if key in _SHARED}

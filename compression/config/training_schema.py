"""Schema of the group ``training``: the optimizer, its schedule, the loss, and the score that chooses an epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import MISSING

from compression.config.rules import Section, allow, at_least, checked, component, one_of, require, within
from compression.core.errors import InputError

MONITORS = ("auto", "accuracy", "balanced_accuracy", "macro_f1")
LOSSES = ("cross_entropy", "focal")
GAMMA = 2.0


def _check_class_weights(value: Any, *, key: str) -> None:
    allowed = "none, balanced, or a mapping of class names to numbers > 0"
    if not isinstance(value, Mapping):
        require(value in ("none", "balanced"), key, value, allowed)
        return
    require(value, key, "{}", allowed)
    for name, weight in value.items():
        _require_positive(weight, key=f"{key}.{name}")


def _require_positive(value: Any, *, key: str) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    require(is_number and 0 < value < math.inf, key, value, "a number > 0")


@dataclass
class TrainingConfig(Section):
    """Dense training: the optimizer, its cosine schedule, and the loss. The loss is that of all other trainings too."""

    epochs: int = checked(MISSING, at_least(1))
    optimizer: Any = checked(MISSING, component)
    min_lr: float = MISSING
    warmup: float = checked(0.0, within("[0, 1)", "a fraction of all updates, in"))
    label_smoothing: float = checked(0.0, within("[0, 1)"))
    gradient_clip: float | None = checked(None, allow(lambda clip: clip > 0, "> 0, or null for none"))
    early_epoch: int = 1
    freeze_epochs: int = checked(0, at_least(0), added=True)
    fine_tune: bool = checked(False, added=True)
    loss: str = checked("cross_entropy", one_of(*LOSSES), added=True)
    focal_gamma: float = checked(GAMMA, at_least(0, "a number"), added=True)
    class_weights: Any = checked("none", _check_class_weights, added=True)
    monitor: str = checked("auto", one_of(*MONITORS), added=True)
    first_size: float = checked(1.0, within("(0, 1]", "a fraction of the images' size, in"), added=True)

    def check(self, at: str) -> None:
        """Raise ``InputError`` for learning rates, numbers of epochs or parts of the loss that do not fit."""
        lr, early = self.optimizer.get("lr"), self.early_epoch
        _require_positive(lr, key=f"{at}.optimizer.lr")
        require(0 <= self.min_lr <= lr, f"{at}.min_lr", self.min_lr, f"in [0, {at}.optimizer.lr={lr}]")
        require(1 <= early <= self.epochs, f"{at}.early_epoch", early, f"in [1, {at}.epochs={self.epochs}]")
        frozen = self.freeze_epochs
        require(frozen <= self.epochs, f"{at}.freeze_epochs", frozen, f"in [0, {at}.epochs={self.epochs}]")
        if self.loss == "focal" and self.label_smoothing:
            raise InputError(f"{at}.label_smoothing={self.label_smoothing} contradicts {at}.loss=focal: must be 0")
        if self.loss != "focal" and self.focal_gamma != GAMMA:
            raise InputError(f"{at}.focal_gamma={self.focal_gamma} contradicts {at}.loss={self.loss}: use loss=focal")

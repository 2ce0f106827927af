"""Schema of the group ``strategy``: what is pruned, in which steps, and the training that follows."""

import math
from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from compression.config.rules import Section, allow, at_least, checked, component, each, one_of, within
from compression.core.errors import InputError

TARGETS = ("weights", "channels", "params", "macs", "latency")
STARTS = ("dense", "initial", "early")
REWINDS = ("none", "initial", "early")
ENDS = ("first", "last")
SINGLE_WEIGHTS = "compression.pruning.granularities.weights.Weights"
PARTS = ("criterion", "granularity", "allocation", "schedule")


@dataclass
class RecoveryConfig(Section):
    """Training after each pruning step, or with ``spread`` one training that contains all steps."""

    epochs: int | None = checked(1, at_least(0, note=", or null for as many as dense training"))
    min_updates: int = checked(100, at_least(0))
    lr_factor: float = checked(0.5, within("(0, 1]"))
    lr: float | None = checked(None, allow(lambda lr: lr > 0, "a number > 0, or null"), added=True)
    warmup: float = checked(0.0, within("[0, 1)", "a fraction of each training, in"))
    lead_epochs: int = checked(0, at_least(0))
    spread: float | None = checked(
        None, within("[0, 1)", "a fraction of the training, in", note=", or null for a training after each step")
    )
    rewind: str = checked("none", one_of(*REWINDS))
    batch_norm_batches: int = checked(10, at_least(0))
    batch_norm_l1: float = checked(0.0, at_least(0, "a number"))


@dataclass
class FinetuneConfig(Section):
    """Ordinary training of the compacted network."""

    epochs: int = checked(0, at_least(0, note="; 0 is off"))
    lr_factor: float = checked(0.1, within("(0, 1]"))


@dataclass
class StrategyConfig(Section):
    """A named recipe: criterion x granularity x allocation x schedule x recovery."""

    name: str = MISSING
    sparsity: float = checked(MISSING, within("[0, 1)"))
    fixed_sparsity: float | None = None
    target: str = checked("weights", one_of(*TARGETS))
    start: str = checked("dense", one_of(*STARTS))
    protect: list[str] = checked([], each(allow(lambda end: end in ENDS, f"among {', '.join(ENDS)}")))
    max_accuracy_drop: float | None = checked(None, at_least(0, "a number of points", note=", or null"))
    # Empty rather than null, so that Hydra names an unknown key when a command sets a part of `strategy=none`.
    criterion: Any = checked({}, component)
    granularity: Any = checked({}, component)
    allocation: Any = checked({}, component)
    schedule: Any = checked({}, component)
    regrowth: Any = checked({}, component)
    recovery: RecoveryConfig = field(default_factory=RecoveryConfig)
    compact: bool = True
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)

    def check(self, at: str) -> None:
        """Raise ``InputError`` if parts of the recipe contradict each other."""
        self._check_parts(at)
        self._check_recovery(at)
        if self.finetune.epochs and not (self.compact and self.removes_channels):
            raise InputError(
                f"{at}.finetune.epochs={self.finetune.epochs} contradicts {at}={self.name}: it trains the network "
                f"whose channels were removed, and would bring single weights back; use {at}.recovery.epochs"
            )

    def _check_parts(self, at: str) -> None:
        missing = [part for part in PARTS if not getattr(self, part)]
        if missing and len(missing) < len(PARTS):
            raise InputError(f"{at}={self.name}: {', '.join(missing)} not set; must have {', '.join(PARTS)}")
        if self.regrowth and self.target != "weights":
            raise InputError(f"{at}.regrowth contradicts {at}.target={self.target}: must be weights")

    def _check_recovery(self, at: str) -> None:
        epochs, spread, rewind = self.recovery.epochs, self.recovery.spread, self.recovery.rewind
        if epochs == 0 and (rewind != "none" or self.regrowth):
            raise InputError(f"{at}.recovery.epochs=0 contradicts {at}={self.name}, which must train: give more")
        if rewind != "none" and (self.regrowth or spread is not None):
            raise InputError(
                f"{at}.recovery.rewind={rewind} needs a training after each step: must be none with "
                f"{at}.regrowth or {at}.recovery.spread"
            )
        if self.max_accuracy_drop is not None and (spread is not None or epochs == 0):
            raise InputError(
                f"{at}.max_accuracy_drop={self.max_accuracy_drop} needs a training after each step: must be null with "
                f"{at}.recovery.spread or {at}.recovery.epochs=0"
            )

    def allows_sparsity(self, sparsity: float) -> bool:
        """Whether this recipe can have ``sparsity``: any, or only its fixed one."""
        return self.fixed_sparsity is None or math.isclose(sparsity, self.fixed_sparsity)

    @property
    def prunes(self) -> bool:
        """Whether the recipe prunes anything."""
        return bool(self.criterion)

    @property
    def removes_channels(self) -> bool:
        """Whether channels are pruned, rather than single weights."""
        # Both can save MACs, so there the granularity decides.
        single = self.target in ("macs", "latency") and self.granularity.get("_target_") == SINGLE_WEIGHTS
        return self.target != "weights" and not single

    @property
    def compacts(self) -> bool:
        """Whether masked channels are removed after pruning."""
        return self.prunes and self.compact

    @property
    def trains(self) -> bool:
        """Whether the network is trained during or after pruning."""
        return self.recovery.epochs != 0 or self.recovery.lead_epochs > 0 or self.finetune.epochs > 0

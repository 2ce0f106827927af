"""Positions of pruning steps in training, in optimizer updates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeline:
    """The training around ``num_steps`` pruning steps.

    First come ``lead_epochs`` of training. Without ``spread``, each step is then followed by ``epochs`` of recovery.
    With ``spread``, a fraction (0 to 1), there is one training of ``epochs``, and the steps are spaced evenly over its
    first ``spread``.
    """

    num_steps: int
    updates_per_epoch: int
    epochs: int
    lead_epochs: int = 0
    spread: float | None = None

    @property
    def num_epochs(self) -> int:
        """Total number of epochs."""
        return self.lead_epochs + self.epochs * (self.num_steps if self.spread is None else 1)

    @property
    def cycle(self) -> int:
        """Number of updates of one recovery, or with ``spread`` of the one training."""
        return self.epochs * self.updates_per_epoch

    @property
    def lead(self) -> int:
        """Number of updates before the first step."""
        return self.lead_epochs * self.updates_per_epoch

    @property
    def step_updates(self) -> list[int]:
        """The update (from 0) before which each step is taken."""
        if self.spread is None:
            return [self.lead + step * self.cycle for step in range(self.num_steps)]
        last = max(1, self.num_steps - 1)
        return [self.lead + int(self.spread * self.cycle * step / last) for step in range(self.num_steps)]

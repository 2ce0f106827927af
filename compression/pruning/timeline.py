"""When the steps of a strategy fall, in optimizer updates."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeline:
    """The training of ``num_steps`` pruning steps.

    ``lead_epochs`` of training come first. Then each step is followed by ``epochs`` of recovery; or, with ``spread``,
    there is one training of ``epochs``, and the steps fall evenly into the first ``spread`` of it.
    """

    num_steps: int
    updates_per_epoch: int
    epochs: int
    lead_epochs: int = 0
    spread: float | None = None

    @property
    def num_epochs(self) -> int:
        """Epochs in all."""
        return self.lead_epochs + self.epochs * (self.num_steps if self.spread is None else 1)

    @property
    def cycle(self) -> int:
        """Updates of one recovery, or of the one training."""
        return self.epochs * self.updates_per_epoch

    @property
    def lead(self) -> int:
        """Updates before the first step."""
        return self.lead_epochs * self.updates_per_epoch

    @property
    def step_updates(self) -> list[int]:
        """The update before which each step is taken."""
        if self.spread is None:
            return [self.lead + step * self.cycle for step in range(self.num_steps)]
        last = max(1, self.num_steps - 1)
        return [self.lead + int(self.spread * self.cycle * step / last) for step in range(self.num_steps)]

"""Constant: the target at every step; the first step prunes, the others move weights (arXiv:1911.11134)."""

from compression.pruning.parameter_checks import check_count


class Constant:
    """Holds the target over ``steps``, for regrowth to move weights at the steps after the first."""

    def __init__(self, *, steps: int) -> None:
        self.steps = check_count(steps, key="strategy.schedule.steps")

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return N."""
        return self.steps

    def __call__(self, step: int, target: float) -> float:
        """Return the target."""
        assert 1 <= step <= self.steps
        return target

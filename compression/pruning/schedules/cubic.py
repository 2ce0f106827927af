"""Cubic: much at first, less and less towards the target (gradual magnitude pruning, arXiv:1710.01878)."""

from compression.pruning.parameter_checks import check_count


def cubic_sparsity(step: int, num_steps: int, target: float) -> float:
    """Return ``S * (1 - (1 - k/N)^3)`` for step k of N; exactly S at the last."""
    return target * (1 - (1 - step / num_steps) ** 3)


class Cubic:
    """Prunes in ``steps`` parts that get smaller by a cubic."""

    def __init__(self, *, steps: int) -> None:
        self.steps = check_count(steps, key="strategy.schedule.steps")

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return N."""
        return self.steps

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step``."""
        assert 1 <= step <= self.steps
        return cubic_sparsity(step, self.steps, target)

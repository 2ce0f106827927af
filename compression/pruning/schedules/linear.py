"""Linear: each step prunes as much as the others."""

from compression.pruning.parameter_checks import check_count


def linear_sparsity(step: int, num_steps: int, target: float) -> float:
    """Return ``S * k / N`` for step k of N."""
    # k / N first: it is exactly 1 at the last step.
    return target * (step / num_steps)


class Linear:
    """Prunes in ``steps`` equal parts."""

    def __init__(self, *, steps: int) -> None:
        self.steps = check_count(steps, key="strategy.schedule.steps")

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return N."""
        return self.steps

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step``."""
        assert 1 <= step <= self.steps
        return linear_sparsity(step, self.steps, target)

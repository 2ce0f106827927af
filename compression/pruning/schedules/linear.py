"""Linear: the same number of weights at each step."""

from compression.pruning.parameter_checks import check_count


def linear_sparsity(step: int, num_steps: int, target: float) -> float:
    """Return the sparsity ``S * k / N`` after step k of N, for target S; exactly S after the last."""
    # Divide first: k / N is exactly 1 at the last step.
    return target * (step / num_steps)


class Linear:
    """Schedule of ``steps`` equal steps."""

    def __init__(self, *, steps: int) -> None:
        self.steps = check_count(steps, key="strategy.schedule.steps")

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return the number of steps, which does not depend on the target."""
        return self.steps

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step``."""
        assert 1 <= step <= self.steps
        return linear_sparsity(step, self.steps, target)

"""Cubic: large steps first, smaller ones towards the target (gradual magnitude pruning, arXiv:1710.01878)."""

from compression.pruning.parameter_checks import check_count


def cubic_sparsity(step: int, num_steps: int, target: float) -> float:
    """Return the sparsity ``S * (1 - (1 - k/N)^3)`` after step k of N, for target S; exactly S after the last."""
    return target * (1 - (1 - step / num_steps) ** 3)


class Cubic:
    """Schedule of ``steps`` steps along a cubic curve."""

    def __init__(self, *, steps: int) -> None:
        self.steps = check_count(steps, key="strategy.schedule.steps")

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return the number of steps, which does not depend on the target."""
        return self.steps

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step``."""
        assert 1 <= step <= self.steps
        return cubic_sparsity(step, self.steps, target)

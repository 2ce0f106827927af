"""Geometric: each step prunes the same fraction of what remains (iterative pruning, arXiv:1803.03635)."""

import math

from compression.core.errors import InputError
from compression.pruning.parameter_checks import check_count

# Thousands of steps lead to any target; less is a slip of the keyboard.
MIN_FRACTION = 0.001


def geometric_sparsity(step: int, num_steps: int, target: float) -> float:
    """Return ``1 - (1 - S)^(k/N)`` for step k of N; exactly S at the last."""
    return target if step == num_steps else 1 - (1 - target) ** (step / num_steps)


def fraction_sparsity(step: int, step_fraction: float, target: float) -> float:
    """Return ``min(S, 1 - (1 - p)^k)``: each step prunes the fraction p of the remaining weights."""
    return min(target, 1 - (1 - step_fraction) ** step)


class Geometric:
    """Prunes in ``steps`` equal ratios, or by ``step_fraction`` of the remaining weights until the target."""

    def __init__(self, *, steps: int | None = None, step_fraction: float | None = None) -> None:
        if (steps is None) == (step_fraction is None):
            raise InputError(
                f"strategy.schedule steps={steps} step_fraction={step_fraction}: give one of them, the other null"
            )
        if steps is not None:
            check_count(steps, key="strategy.schedule.steps")
        if step_fraction is not None and not (isinstance(step_fraction, float) and MIN_FRACTION <= step_fraction < 1):
            raise InputError(f"strategy.schedule.step_fraction={step_fraction}: must be in [{MIN_FRACTION}, 1)")
        self.steps, self.step_fraction = steps, step_fraction

    def num_steps(self, target: float) -> int:
        """Return N, or the steps that ``step_fraction`` takes to the target."""
        if self.steps is not None:
            return self.steps
        assert self.step_fraction is not None
        exact = math.log(1 - target) / math.log(1 - self.step_fraction)
        # A target that is a whole number of steps away must not take one more for a rounding error.
        return max(1, math.ceil(exact - 1e-9))

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step``."""
        num_steps = self.num_steps(target)
        assert 1 <= step <= num_steps
        if step == num_steps:
            return target
        if self.steps is not None:
            return geometric_sparsity(step, num_steps, target)
        assert self.step_fraction is not None
        return fraction_sparsity(step, self.step_fraction, target)

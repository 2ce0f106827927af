"""Geometric: the same fraction of the remaining weights at each step (iterative pruning, arXiv:1803.03635)."""

import math

from compression.core.errors import InputError
from compression.pruning.parameter_checks import check_count

# With this fraction some thousand steps reach any target. A smaller value is probably a typing error.
MIN_FRACTION = 0.001


def geometric_sparsity(step: int, num_steps: int, target: float) -> float:
    """Return the sparsity ``1 - (1 - S)^(k/N)`` after step k of N, for target S; exactly S after the last."""
    return target if step == num_steps else 1 - (1 - target) ** (step / num_steps)


def fraction_sparsity(step: int, step_fraction: float, target: float) -> float:
    """Return the sparsity ``min(S, 1 - (1 - p)^k)`` after step k, for target S.

    Each step prunes the fraction p of the remaining weights.
    """
    return min(target, 1 - (1 - step_fraction) ** step)


class Geometric:
    """Schedule of ``steps`` equal ratios, or of steps that prune ``step_fraction`` of the remaining weights each."""

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
        """Return the number of steps: ``steps``, or as many as ``step_fraction`` needs to reach the target."""
        if self.steps is not None:
            return self.steps
        assert self.step_fraction is not None
        exact = math.log(1 - target) / math.log(1 - self.step_fraction)
        # Subtract a little, so that a rounding error does not add a step to an exact number of steps.
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

"""Constant: the target sparsity at every step. The first step prunes, the others move weights (arXiv:1911.11134)."""

from compression.pruning.parameter_checks import check_count


class Constant:
    """Schedule with the target sparsity at all ``steps``, for use with a regrowth."""

    def __init__(self, *, steps: int) -> None:
        self.steps = check_count(steps, key="strategy.schedule.steps")

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return the number of steps, which does not depend on the target."""
        return self.steps

    def __call__(self, step: int, target: float) -> float:
        """Return ``target``."""
        assert 1 <= step <= self.steps
        return target

"""Schedules: sparsity over pruning steps."""

from typing import Protocol


class Schedule(Protocol):
    """Says how many steps lead to a target, and the sparsity after each."""

    def num_steps(self, target: float) -> int:
        """Return the number of pruning steps, at least 1."""
        ...

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step`` of 1 to ``num_steps``; after the last it is exactly ``target``."""
        ...

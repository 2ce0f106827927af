"""Schedules: the sparsity after each pruning step."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """The number of pruning steps to a target sparsity, and the sparsity after each step."""

    def num_steps(self, target: float) -> int:
        """Return the number of pruning steps, at least 1."""
        ...

    def __call__(self, step: int, target: float) -> float:
        """Return the sparsity after ``step``, from 1 to ``num_steps``; after the last it is exactly ``target``."""
        ...

"""Most frequent confusions, and errors within and between groups of classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError

CIFAR10_GROUPS: Mapping[str, tuple[str, ...]] = {
    "animals": ("bird", "cat", "deer", "dog", "frog", "horse"),
    "vehicles": ("airplane", "automobile", "ship", "truck"),
}


@dataclass(frozen=True)
class Confusion:
    """Images of class ``true`` predicted as class ``predicted``: their number, and their share of the true class."""

    true: int
    predicted: int
    count: int
    share: float


@dataclass(frozen=True)
class GroupErrors:
    """Numbers of errors whose true and predicted class are in the same group, in two groups, or not both in a group."""

    within: int
    between: int
    outside: int

    @property
    def total(self) -> int:
        """The number of all errors."""
        return self.within + self.between + self.outside


def top_confusions(matrix: NDArray[np.int64], *, limit: int) -> list[Confusion]:
    """Return the ``limit`` most frequent confusions of a confusion matrix [K, K], the most frequent first.

    Among equal counts, the larger share of the true class comes first.
    """
    images = matrix.sum(axis=1)
    found = [
        Confusion(
            int(true), int(predicted), int(matrix[true, predicted]), float(matrix[true, predicted] / images[true])
        )
        for true, predicted in np.argwhere(_errors(matrix))
    ]
    return sorted(found, key=lambda one: (-one.count, -one.share, one.true, one.predicted))[:limit]


def choose_groups(
    groups: Mapping[str, Sequence[str]] | None, *, class_names: Sequence[str]
) -> Mapping[str, tuple[str, ...]]:
    """Return ``groups``, or CIFAR-10's animals and vehicles if it is empty and the class names are its ten.

    Raises ``InputError`` for a group that names an unknown class, and for a class in two groups. Classes may be in no
    group.
    """
    if not groups:
        known = {name for members in CIFAR10_GROUPS.values() for name in members}
        return CIFAR10_GROUPS if set(class_names) == known else {}
    owners: dict[str, str] = {}
    for group, members in groups.items():
        for member in members:
            if member not in class_names:
                raise InputError(f"class group {group}: {member} is not a class of the model")
            if owners.setdefault(member, group) != group:
                raise InputError(f"class group {group}: class {member} is in group {owners[member]} too")
    return {group: tuple(members) for group, members in groups.items()}


def count_group_errors(
    matrix: NDArray[np.int64], *, groups: Mapping[str, Sequence[str]], class_names: Sequence[str]
) -> GroupErrors:
    """Return the errors of a confusion matrix [K, K] by whether they stay within a group of classes."""
    numbers = {member: number for number, members in enumerate(groups.values()) for member in members}
    group = np.array([numbers.get(name, -1) for name in class_names])
    errors = _errors(matrix)
    grouped = (group >= 0)[:, None] & (group >= 0)
    same = group[:, None] == group
    within, between = int(errors[grouped & same].sum()), int(errors[grouped & ~same].sum())
    return GroupErrors(within, between, int(errors.sum()) - within - between)


def _errors(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    errors = matrix.copy()
    np.fill_diagonal(errors, 0)
    return errors

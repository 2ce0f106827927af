"""Folds for cross-validation: stratified, and the same for every seed."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from compression.core.errors import InputError

# The folds do not depend on the run's seed, so that seeds can be compared on the same folds.
_SEED = 20


def assign_folds(
    labels: Tensor, *, num_folds: int, class_names: Sequence[str], groups: Sequence[str] | None = None
) -> Tensor:
    """Return the fold of each image, int64 ``[N]`` from 1 to ``num_folds``, with every class spread evenly.

    ``labels`` are int64 ``[N]``, in an order that depends on the content of the images alone. Images of one of the
    ``groups``, such as photographs of one part, are in the same fold. Raises ``InputError`` for a class with fewer
    images (or groups) than folds.
    """
    # Imported late, because only cross-validation needs it.
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    _check_count(labels, num_folds=num_folds, class_names=class_names, groups=groups)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = kind(num_folds, shuffle=True, random_state=_SEED)
    folds = torch.zeros(len(labels), dtype=torch.int64)
    with warnings.catch_warnings():
        # scikit-learn warns of a class with fewer images than folds, also where its groups are fewer than its images.
        warnings.simplefilter("ignore", UserWarning)
        for number, (_, test) in enumerate(splitter.split(np.zeros(len(labels)), labels.numpy(), groups), start=1):
            folds[torch.from_numpy(test)] = number
    return folds


def check_can_fold(
    labels: Tensor, *, num_folds: int, class_names: Sequence[str], groups: Sequence[str] | None = None
) -> None:
    """Raise ``InputError`` for a class with fewer images, or groups of images, than folds.

    With two folds it needs four, because training and validation share what is not tested.
    """
    _check_count(labels, num_folds=num_folds, class_names=class_names, groups=groups)
    count, described = _find_smallest(labels, class_names=class_names, groups=groups)
    if count - math.ceil(count / num_folds) < 2:
        raise InputError(
            f"data.folds={num_folds}: {described}, too few to train, validate and test in each; needs 4, or 3 folds"
        )


def _check_count(
    labels: Tensor, *, num_folds: int, class_names: Sequence[str], groups: Sequence[str] | None = None
) -> None:
    count, described = _find_smallest(labels, class_names=class_names, groups=groups)
    if count < num_folds:
        raise InputError(f"data.folds={num_folds}: {described}; must be at most {count}")


def _find_smallest(labels: Tensor, *, class_names: Sequence[str], groups: Sequence[str] | None) -> tuple[int, str]:
    """Return the images, or groups of images, of the class that has the fewest, as a number and in words."""
    counts = []
    for label, name in enumerate(class_names):
        rows = (labels == label).nonzero().flatten().tolist()
        counts.append((len(rows) if groups is None else len({groups[row] for row in rows}), name))
    count, name = min(counts, key=lambda one: one[0])
    return count, f"class {name} has {count} {'images' if groups is None else 'groups of images'}"

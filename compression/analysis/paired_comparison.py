"""Two models on the same images: flipped images, McNemar's exact test, and changes by class."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from compression.analysis.class_metrics import count_confusions
from compression.analysis.intervals import Interval, paired_difference_interval
from compression.analysis.predictions import Predictions
from compression.core.errors import InputError


@dataclass(frozen=True)
class Flips:
    """Indices of images that only the first model classifies correctly (``worsened``), or only the second.

    In both, the images with the most confident wrong prediction come first.
    """

    worsened: NDArray[np.int64]
    improved: NDArray[np.int64]


@dataclass(frozen=True)
class ClassChange:
    """The change of one class: the difference of recalls with its interval, and the exact p-value.

    ``p_corrected`` is the p-value after the correction of Benjamini and Hochberg (1995) for all classes.
    """

    index: int
    images: int
    worsened: int
    improved: int
    change: Interval
    p_value: float
    p_corrected: float


@dataclass(frozen=True)
class ConfusionChange:
    """The number of images of class ``true`` that each model predicts as class ``predicted``."""

    true: int
    predicted: int
    dense: int
    compressed: int


def check_comparable(dense: Predictions, compressed: Predictions) -> None:
    """Raise ``InputError`` unless both models have the same classes and were run on the same labels."""
    if dense.class_names != compressed.class_names:
        raise InputError("the two models have different class names, or in another order: they cannot be compared")
    if not np.array_equal(dense.labels, compressed.labels):
        raise InputError("the two models were not run on the same images: their labels differ")


def find_flips(dense: Predictions, compressed: Predictions) -> Flips:
    """Return the images whose prediction became wrong or right from ``dense`` to ``compressed``."""
    check_comparable(dense, compressed)
    worsened = np.flatnonzero(dense.correct & ~compressed.correct)
    improved = np.flatnonzero(~dense.correct & compressed.correct)
    return Flips(
        worsened[np.argsort(-compressed.confidence[worsened], kind="stable")],
        improved[np.argsort(-dense.confidence[improved], kind="stable")],
    )


@lru_cache(maxsize=4096)
def mcnemar_p_value(*, worsened: int, improved: int) -> float:
    """Return the two-sided p-value of McNemar's exact test; 1 without a flipped image.

    If both models were equally good, a flipped image would be worsened or improved with probability 1/2.
    """
    from scipy.stats import binomtest

    return float(binomtest(worsened, worsened + improved, 0.5).pvalue) if worsened + improved else 1.0


def compare_accuracy(dense: Predictions, compressed: Predictions) -> Interval:
    """Return the difference of accuracies, compressed minus dense, with the interval of Bonett and Price."""
    flips = find_flips(dense, compressed)
    return paired_difference_interval(
        worsened=len(flips.worsened), improved=len(flips.improved), images=dense.num_images
    )


def compare_classes(dense: Predictions, compressed: Predictions) -> list[ClassChange]:
    """Return the change of every class with test images, the largest loss first."""
    from scipy.stats import false_discovery_control

    flips = find_flips(dense, compressed)
    num = dense.num_classes
    images = np.bincount(dense.labels, minlength=num)
    worsened, improved = (
        np.bincount(dense.labels[indices], minlength=num) for indices in (flips.worsened, flips.improved)
    )
    present = [int(index) for index in np.flatnonzero(images)]
    counts = {index: {"worsened": int(worsened[index]), "improved": int(improved[index])} for index in present}
    p_values = [mcnemar_p_value(**counts[index]) for index in present]
    changes = [
        ClassChange(
            index,
            int(images[index]),
            **counts[index],
            change=paired_difference_interval(**counts[index], images=int(images[index])),
            p_value=p_value,
            p_corrected=float(corrected),
        )
        for index, p_value, corrected in zip(present, p_values, false_discovery_control(p_values), strict=True)
    ]
    return sorted(changes, key=lambda one: (one.change.value, one.p_value, one.index))


def compare_confusions(dense: Predictions, compressed: Predictions, *, limit: int) -> list[ConfusionChange]:
    """Return at most ``limit`` confusions whose number of images changed, the largest change first."""
    before, after = count_confusions(dense), count_confusions(compressed)
    difference = after - before
    np.fill_diagonal(difference, 0)
    changed = [
        ConfusionChange(true, predicted, dense=int(before[true, predicted]), compressed=int(after[true, predicted]))
        for true, predicted in np.argwhere(difference).tolist()
    ]
    # Among changes of equal size, increases come first.
    return sorted(changed, key=lambda one: (-abs(one.compressed - one.dense), one.dense - one.compressed))[:limit]

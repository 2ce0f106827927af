"""Confusion matrix, and recall, precision and F1 of every class."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.analysis.intervals import Interval, mean_share_interval
from compression.analysis.predictions import Predictions


@dataclass(frozen=True)
class ClassMetrics:
    """Figures of every class, each array [K]; NaN where a figure is not defined.

    ``images`` counts test images, ``hits`` those classified correctly. ``recall`` needs an image of the class,
    ``precision`` a prediction of the class, ``f1`` one of the two.
    """

    images: NDArray[np.int64]
    hits: NDArray[np.int64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    f1: NDArray[np.float64]

    @property
    def occurring(self) -> NDArray[np.int64]:
        """Indices of the classes with test images."""
        return np.flatnonzero(self.images)

    @property
    def balanced_accuracy(self) -> Interval:
        """The mean recall over the classes with test images, with the interval of ``mean_share_interval``."""
        present = self.occurring
        return mean_share_interval(self.hits[present], images=self.images[present])

    @property
    def macro_f1(self) -> float:
        """The mean F1 over the classes that are a label or a prediction of some image."""
        return float(np.nanmean(self.f1))

    @property
    def best(self) -> int:
        """The index of the class with the highest recall; among equals, the one with most images."""
        return int(max(self.occurring, key=lambda index: (self.recall[index], self.images[index])))

    @property
    def worst(self) -> int:
        """The index of the class with the lowest recall; among equals, the one with most images."""
        return int(min(self.occurring, key=lambda index: (self.recall[index], -self.images[index])))


def count_confusions(predictions: Predictions) -> NDArray[np.int64]:
    """Return the confusion matrix [K, K]: the number of images by true class (row) and predicted class (column)."""
    num = predictions.num_classes
    cells = predictions.labels.astype(np.int64) * num + predictions.predicted
    return np.bincount(cells, minlength=num * num).reshape(num, num)


def measure_classes(matrix: NDArray[np.int64]) -> ClassMetrics:
    """Return the figures of every class from the confusion matrix [K, K], whose rows are true classes."""
    hits, images, predicted = matrix.diagonal().copy(), matrix.sum(axis=1), matrix.sum(axis=0)
    return ClassMetrics(
        images=images,
        hits=hits,
        recall=_divide(hits, images),
        precision=_divide(hits, predicted),
        f1=_divide(2 * hits, images + predicted),
    )


def _divide(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)

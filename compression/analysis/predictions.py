"""Predictions of one model on labelled images."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from compression.core.errors import InputError

# Rows are converted to float64 in blocks of about this number of values, to bound memory.
_BLOCK_VALUES = 1 << 22


@dataclass(frozen=True, eq=False)
class Predictions:
    """Logits of one model on labelled images.

    ``logits: [N, K]`` are float32, ``labels: [N]`` are class indices, ``class_names`` holds K names. Raises
    ``InputError`` if the shapes do not fit each other, if there is no image, or if a label is no class index.
    """

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.logits.ndim != 2 or self.labels.shape != self.logits.shape[:1]:
            raise InputError(
                f"logits have the shape {list(self.logits.shape)} and labels {list(self.labels.shape)}: "
                "must be [images, classes] and [images]"
            )
        images, classes = self.logits.shape
        if classes != len(self.class_names):
            raise InputError(f"logits have {classes:,} classes, but there are {len(self.class_names):,} class names")
        if not images:
            raise InputError("no image to analyze: at least one labelled image is needed")
        if not 0 <= self.labels.min() <= self.labels.max() < classes:
            raise InputError(f"labels go from {self.labels.min()} to {self.labels.max()}: must be 0 to {classes - 1}")

    @property
    def num_images(self) -> int:
        """The number of images, N."""
        return len(self.labels)

    @property
    def num_classes(self) -> int:
        """The number of classes, K."""
        return len(self.class_names)

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        """Whether all logits of an image are finite: [N]."""
        return np.asarray(np.isfinite(self.logits).all(axis=1))

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """The softmax of the logits: [N, K]. An image with a NaN among its logits gets 1/K for every class."""
        exponentials = [np.exp(block) for block in self.shifted_blocks()]
        return np.concatenate([block / block.sum(axis=1, keepdims=True) for block in exponentials])

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The class with the largest logit, the first of equal ones: [N]."""
        return self.logits.argmax(axis=1)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the predicted class: [N]."""
        return self.confidence_at(1.0)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether the predicted class is the label: [N]."""
        return self.predicted == self.labels

    def confidence_at(self, temperature: float) -> NDArray[np.float64]:
        """Return the probability of the predicted class when the logits are divided by ``temperature``: [N]."""
        # The largest shifted logit is 0, so its probability is 1 over the sum.
        return np.concatenate([1 / np.exp(block / temperature).sum(axis=1) for block in self.shifted_blocks()])

    def shifted_blocks(self) -> Iterator[NDArray[np.float64]]:
        """Yield the logits in blocks of rows, minus the largest of each row; rows with a NaN are all zero."""
        rows = max(1, _BLOCK_VALUES // self.num_classes)
        limit = float(np.finfo(np.float32).max)
        for start in range(0, self.num_images, rows):
            block = self.logits[start : start + rows].astype(np.float64)
            block[np.isnan(block).any(axis=1)] = 0.0
            block = np.clip(block, -limit, limit)
            yield block - block.max(axis=1, keepdims=True)

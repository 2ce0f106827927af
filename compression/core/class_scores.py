"""Scores of a classifier from its confusion matrix: accuracy, balanced accuracy, macro F1."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

# The scores that a training can be chosen by, with their names in messages.
MONITORS = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "macro_f1": "macro F1"}
# From this ratio of the largest to the smallest class on, accuracy says little about the smallest.
FAR_APART = 10


class Validated(NamedTuple):
    """The accuracy on held-out images, and the score that choices are made by if that is another one. Both 0 to 1."""

    accuracy: float
    score: float | None = None

    @property
    def monitored(self) -> float:
        """The score that choices are made by."""
        return self.accuracy if self.score is None else self.score

    def to_results(self) -> dict[str, Any]:
        """Return the entries of a stage's results: ``val_accuracy``, and ``val_score`` if choices are made by it."""
        return {"val_accuracy": self.accuracy} | ({} if self.score is None else {"val_score": self.score})


def find_monitored(results: Any) -> float:
    """Return the score that choices are made by, from the results of a stage."""
    return float(results.get("val_score", results["val_accuracy"]))


def choose_monitor(counts: Sequence[int]) -> str:
    """Return the score for classes of ``counts`` training images: balanced accuracy if they are ten times apart."""
    present = [count for count in counts if count]
    far = len(present) > 1 and max(present) >= FAR_APART * min(present)
    return "balanced_accuracy" if far else "accuracy"


def count_predictions(logits: Tensor, labels: Tensor, num_classes: int) -> Tensor:
    """Return the confusion matrix, int64 ``[C, C]`` on the CPU: images by label (row) and prediction (column).

    ``logits`` are ``[B, C]`` and ``labels`` ``[B]``.
    """
    cells = labels * num_classes + logits.argmax(1)
    return torch.bincount(cells.cpu(), minlength=num_classes**2).view(num_classes, num_classes)


@torch.inference_mode()
def collect_confusions(
    model: Callable[[Tensor], Tensor], batches: Iterable[tuple[Tensor, Tensor]], num_classes: int
) -> Tensor:
    """Return the confusion matrix ``[C, C]`` of ``model`` over all ``batches`` of images and labels."""
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    for images, labels in batches:
        matrix += count_predictions(model(images), labels, num_classes)
    return matrix


def score_confusions(matrix: Tensor, monitor: str) -> Tensor:
    """Return the score ``monitor`` of a confusion matrix ``[C, C]``, a scalar from 0 to 1.

    - ``accuracy``: the fraction of images on the diagonal.
    - ``balanced_accuracy``: the mean recall over the classes with images.
    - ``macro_f1``: the mean of ``2 TP / (2 TP + FP + FN)`` over the classes that are a label or a prediction.
    """
    hits, images = matrix.diagonal(), matrix.sum(1)
    if monitor == "accuracy":
        return hits.sum() / images.sum()
    if monitor == "balanced_accuracy":
        present = images > 0
        return (hits[present] / images[present]).mean()
    assert monitor == "macro_f1", monitor
    either = images + matrix.sum(0)
    return (2 * hits[either > 0] / either[either > 0]).mean()


def validate_confusions(matrix: Tensor, monitor: str) -> Validated:
    """Return accuracy and, for another ``monitor``, its score."""
    accuracy = float(score_confusions(matrix, "accuracy"))
    return Validated(accuracy, None if monitor == "accuracy" else float(score_confusions(matrix, monitor)))


def describe_validated(validated: Validated, monitor: str) -> str:
    """Return e.g. ``accuracy 97.21 %``, or ``accuracy 71.00 %, balanced accuracy 33.33 %``."""
    text = f"accuracy {100 * validated.accuracy:.2f} %"
    return text if validated.score is None else f"{text}, {MONITORS[monitor]} {100 * validated.score:.2f} %"

"""A score of the confusion matrix as a metric that Lightning logs."""

from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from compression.core.class_scores import score_confusions


class ClassScore(MulticlassConfusionMatrix):
    """The score ``monitor`` of all images since the last reset: ``balanced_accuracy`` or ``macro_f1``."""

    def __init__(self, num_classes: int, *, monitor: str) -> None:
        super().__init__(num_classes)
        self.monitor = monitor

    def compute(self) -> Tensor:
        """Return the score, a scalar from 0 to 1."""
        return score_confusions(self.confmat, self.monitor)

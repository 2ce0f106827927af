"""The loss of labels: cross-entropy or focal loss (arXiv:1708.02002), with a weight for each class."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

# Keeps the gradient of the focal loss finite where an image is certain and gamma is below 1.
_LEAST_MISS = 1e-12


class LabelLoss:
    """The loss of a batch: the mean over its images of ``w[label]`` times the loss of the image.

    The loss of an image is the cross-entropy ``-log p`` of its label, with ``label_smoothing``; or, with ``gamma``, the
    focal loss ``-(1 - p)^gamma log p``. ``weights: [C]`` are the ``w``; without them every ``w`` is 1. The sum is
    divided by the number of images, not by the sum of weights, so an image counts the same in every batch.
    """

    def __init__(
        self, *, label_smoothing: float = 0.0, gamma: float | None = None, weights: Tensor | None = None
    ) -> None:
        assert gamma is None or not label_smoothing
        self.label_smoothing = label_smoothing
        self.gamma = gamma
        self.weights = weights

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss, a scalar, of ``logits: [B, C]`` and ``labels: [B]``."""
        if self.gamma is None and self.weights is None:
            return cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        losses = cross_entropy(logits, labels, label_smoothing=self.label_smoothing, reduction="none")
        if self.gamma is not None:
            losses = focus(losses, gamma=self.gamma)
        weights = self.weigh(labels)
        return (losses if weights is None else weights * losses).mean()

    def weigh(self, labels: Tensor) -> Tensor | None:
        """Return the weight of each image, ``[B]``, from ``labels: [B]``; None if all are 1."""
        if self.weights is None:
            return None
        self.weights = self.weights.to(labels.device)
        return self.weights[labels]


def focus(losses: Tensor, *, gamma: float) -> Tensor:
    """Return the focal loss ``(1 - p)^gamma * loss`` of each image, from its cross-entropy ``loss = -log p``."""
    miss = -torch.expm1(-losses)
    return miss.clamp_min(_LEAST_MISS) ** gamma * losses


def balance_classes(counts: Tensor) -> Tensor:
    """Return the weight ``n / (K n_c)`` of each class, float32 ``[C]``: inverse frequency, on average 1 per image.

    ``counts: [C]`` are the images ``n_c`` of each class, n is their sum, and K the number of classes with images. A
    class without images gets 1.
    """
    balanced = counts.sum() / ((counts > 0).sum() * counts.clamp_min(1))
    return torch.where(counts > 0, balanced, 1.0).float()


def normalize_weights(weights: Tensor, counts: Tensor) -> Tensor:
    """Return ``weights: [C]`` scaled so that the mean over all images is 1; ``counts: [C]`` are images per class."""
    return (weights * (counts.sum() / (weights.double() * counts).sum())).float()

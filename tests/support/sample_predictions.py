"""Predictions with known figures."""

import numpy as np

from compression.analysis.predictions import Predictions

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def name_classes(num):
    """Return CIFAR-10's names for ten classes, and otherwise numbered ones."""
    return CIFAR10 if num == 10 else tuple(f"class {index}" for index in range(num))


def exact_predictions(labels, predicted, *, confidence=0.8, names):
    """Return predictions of the given classes with the given confidence, one for each image or one for all."""
    num = len(names)
    confidence = np.broadcast_to(confidence, len(labels))
    logits = np.zeros((len(labels), num), np.float32)
    # With logit x for the class and 0 for the others, its probability is e^x / (e^x + num - 1).
    logits[np.arange(len(labels)), predicted] = np.log(confidence * (num - 1) / (1 - confidence))
    return Predictions(logits, np.array(labels, np.int64), tuple(names))


def random_predictions(*, images, classes, seed=0, skill=3.0, names=None):
    """Return normal logits plus ``skill`` for the true class, less for some classes; all seeds have the same labels."""
    labels = np.random.default_rng(images + classes).integers(0, classes, images)
    logits = np.random.default_rng(seed).normal(size=(images, classes)).astype(np.float32)
    logits[np.arange(images), labels] += (skill * (0.5 + 0.5 * np.cos(labels))).astype(np.float32)
    return Predictions(logits, labels, tuple(names or name_classes(classes)))


def related_predictions(before, *, noise, seed=1):
    """Return predictions whose logits are those of ``before`` plus noise."""
    drawn = np.random.default_rng(seed).normal(size=before.logits.shape).astype(np.float32)
    return Predictions(before.logits + noise * drawn, before.labels, before.class_names)

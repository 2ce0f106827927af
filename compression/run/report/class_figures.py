"""Figures by class for ``metrics.json``, from the predictions that an evaluation left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compression.analysis.class_metrics import count_confusions, measure_classes
from compression.analysis.class_warnings import list_class_warnings
from compression.analysis.predictions import Predictions
from compression.run.report.predictions_file import SIDES, read_predictions


def count_classes(path: Path, *, class_names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return figures of each model, ``dense`` and ``compressed``, and its ``warnings``.

    ``classes`` has the correct and all test images of each class, by name. ``scores`` and ``val_scores`` have accuracy,
    balanced accuracy and macro F1 on test images and on held-out training images.
    """
    predictions = read_predictions(path, class_names=class_names)
    return {side: _count(side, predictions.test[side], predictions.held_out[side]) for side in SIDES}


def _count(side: str, test: Predictions, held_out: Predictions) -> dict[str, Any]:
    metrics = measure_classes(count_confusions(test))
    hits, images = metrics.hits.tolist(), metrics.images.tolist()
    return {
        "classes": {name: list(pair) for name, *pair in zip(test.class_names, hits, images, strict=True)},
        "scores": _score(test),
        "val_scores": _score(held_out),
        "warnings": list_class_warnings(f"the {side} model", class_names=test.class_names, hits=hits, images=images),
    }


def _score(predictions: Predictions) -> dict[str, float]:
    metrics = measure_classes(count_confusions(predictions))
    present = metrics.occurring
    return {
        "accuracy": float(metrics.hits.sum() / metrics.images.sum()),
        "balanced_accuracy": float(metrics.recall[present].mean()),
        "macro_f1": metrics.macro_f1,
    }

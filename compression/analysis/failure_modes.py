"""Failure modes of models as JSON, under the keys that docs/failure_analysis.md explains.

The document has the keys ``schema_version``, ``class_names``, ``models`` (by name, each from ``describe_failures``; the
last one is the model in question), ``change`` (from ``describe_change``, or null), ``layers`` (a list of ``name`` and
``snr_db``, or null) and ``robustness`` (accuracies by disturbance, strength and model, or null).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compression.analysis.class_metrics import ClassMetrics, count_confusions, measure_classes
from compression.analysis.confidence import (
    SURE,
    TEMPERATURES,
    bin_confidence,
    expected_calibration_error,
    fit_temperature,
)
from compression.analysis.confusions import choose_groups, count_group_errors, top_confusions
from compression.analysis.intervals import wilson_interval
from compression.analysis.paired_comparison import (
    compare_accuracy,
    compare_classes,
    compare_confusions,
    find_flips,
    mcnemar_p_value,
)
from compression.analysis.predictions import Predictions
from compression.analysis.verdict import write_verdict

SCHEMA_VERSION = 1
# Above this number of classes, the matrix would be most of the file.
MAX_MATRIX_CLASSES = 100
NUM_CONFUSIONS = 10
NUM_HISTOGRAM_BINS = 20

Groups = Mapping[str, Sequence[str]]


def combine_failure_modes(
    class_names: Sequence[str],
    *,
    models: Mapping[str, dict[str, Any]],
    change: dict[str, Any] | None = None,
    layers: list[dict[str, Any]] | None = None,
    robustness: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of failure_modes.json. The last of ``models`` is the model in question."""
    return {
        "schema_version": SCHEMA_VERSION,
        "class_names": list(class_names),
        "models": dict(models),
        "change": change,
        "layers": layers,
        "robustness": robustness,
    }


def describe_failures(
    predictions: Predictions, *, groups: Groups | None = None, held_out: Predictions | None = None
) -> dict[str, Any]:
    """Return the failure modes of one model: ``test_images``, ``not_finite`` and the figures below; shares are 0 to 1.

    - ``accuracy`` and ``balanced_accuracy``: ``value`` and its 95 % interval, ``low`` to ``high``; ``macro_f1``.
    - ``best_class``, ``worst_class``: ``name``, ``recall``, ``low``, ``high``.
    - ``classes``: in the order of the class names, each with ``name``, ``images``, ``recall``, ``low``, ``high``,
      ``precision``, ``f1``; null where a figure is not defined.
    - ``confusion_matrix``: images by true class (row) and predicted class; null above ``MAX_MATRIX_CLASSES``.
    - ``top_confusions``: ``true``, ``predicted``, ``count``, and ``share`` of the true class.
    - ``groups``: shares of the errors ``within`` a group, ``between`` groups and ``outside`` of them, the number of
      ``errors`` and the ``members`` of each group; null without groups or without errors.
    - ``confidence``: see ``_describe_confidence``. ``held_out`` images fit the temperature.

    Raises ``InputError`` for groups that do not fit the class names.
    """
    names = predictions.class_names
    matrix = count_confusions(predictions)
    metrics = measure_classes(matrix)
    classes = [_describe_class(metrics, index, name) for index, name in enumerate(names)]
    return {
        "test_images": predictions.num_images,
        "not_finite": int((~predictions.finite).sum()),
        "accuracy": wilson_interval(int(predictions.correct.sum()), images=predictions.num_images)._asdict(),
        "balanced_accuracy": metrics.balanced_accuracy._asdict(),
        "macro_f1": metrics.macro_f1,
        "best_class": _pick(classes[metrics.best]),
        "worst_class": _pick(classes[metrics.worst]),
        "classes": classes,
        "confusion_matrix": matrix.tolist() if len(names) <= MAX_MATRIX_CLASSES else None,
        "top_confusions": [
            {"true": names[one.true], "predicted": names[one.predicted], "count": one.count, "share": one.share}
            for one in top_confusions(matrix, limit=NUM_CONFUSIONS)
        ],
        "groups": _describe_groups(matrix, choose_groups(groups, class_names=names), names),
        "confidence": _describe_confidence(predictions, held_out),
    }


def describe_change(dense: Predictions, compressed: Predictions, *, groups: Groups | None = None) -> dict[str, Any]:
    """Return the change from ``dense`` to ``compressed`` on the same images. Changes are shares, -1 to 1.

    - ``accuracy``: ``value``, ``low``, ``high``; ``p_value`` of McNemar's exact test; numbers of ``worsened`` and
      ``improved`` images; ``verdict``, one sentence.
    - ``classes``: largest loss first, each with ``name``, ``images``, ``change``, ``low``, ``high``, ``p_value``,
      ``p_corrected``, ``worsened``, ``improved``. Classes without test images are left out.
    - ``confusions``: largest change first, each with ``true``, ``predicted`` and the images ``dense``, ``compressed``.
    - ``groups``: numbers of errors ``within``, ``between`` and ``outside``, each ``dense`` and ``compressed``; null
      without groups.

    Raises ``InputError`` for models with other classes, or run on other images.
    """
    names = dense.class_names
    flips = find_flips(dense, compressed)
    counts = {"worsened": len(flips.worsened), "improved": len(flips.improved)}
    accuracy, p_value = compare_accuracy(dense, compressed), mcnemar_p_value(**counts)
    classes = compare_classes(dense, compressed)
    chosen = choose_groups(groups, class_names=names)
    by_model = {
        name: asdict(count_group_errors(count_confusions(one), groups=chosen, class_names=names))
        for name, one in (("dense", dense), ("compressed", compressed))
    }
    return {
        "accuracy": accuracy._asdict(),
        "p_value": p_value,
        **counts,
        "verdict": write_verdict(accuracy, p_value=p_value, classes=classes, class_names=names),
        "classes": [
            {
                "name": names[one.index],
                "images": one.images,
                "change": one.change.value,
                "low": one.change.low,
                "high": one.change.high,
                "p_value": one.p_value,
                "p_corrected": one.p_corrected,
                "worsened": one.worsened,
                "improved": one.improved,
            }
            for one in classes
        ],
        "confusions": [
            {**asdict(one), "true": names[one.true], "predicted": names[one.predicted]}
            for one in compare_confusions(dense, compressed, limit=NUM_CONFUSIONS)
        ],
        "groups": {kind: {name: by_model[name][kind] for name in by_model} for kind in ("within", "between", "outside")}
        if chosen
        else None,
    }


def _describe_class(metrics: ClassMetrics, index: int, name: str) -> dict[str, Any]:
    images = int(metrics.images[index])
    limits = wilson_interval(int(metrics.hits[index]), images=images) if images else None
    return {
        "name": name,
        "images": images,
        "recall": limits and limits.value,
        "low": limits and limits.low,
        "high": limits and limits.high,
        "precision": _known(metrics.precision[index]),
        "f1": _known(metrics.f1[index]),
    }


def _pick(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: row[key] for key in ("name", "recall", "low", "high")}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _describe_groups(
    matrix: NDArray[np.int64], groups: Mapping[str, tuple[str, ...]], names: Sequence[str]
) -> dict[str, Any] | None:
    errors = count_group_errors(matrix, groups=groups, class_names=names)
    if not groups or not errors.total:
        return None
    return {
        "within": errors.within / errors.total,
        "between": errors.between / errors.total,
        "outside": errors.outside / errors.total,
        "errors": errors.total,
        "members": {group: list(members) for group, members in groups.items()},
    }


def _describe_confidence(predictions: Predictions, held_out: Predictions | None) -> dict[str, Any]:
    """Return mean confidence of ``right`` and ``wrong`` predictions (null without any), ``errors_above_0.9``.

    And ``ece`` with its ``bins``; ``temperature``, ``temperature_at_limit``, ``ece_scaled`` and ``bins_scaled`` (null
    without held-out images); ``histogram``: the ``edges`` of equal bins, and numbers of ``right`` and ``wrong`` images.
    """
    confidence, correct = predictions.confidence, predictions.correct
    bins = bin_confidence(confidence, correct=correct)
    temperature = None if held_out is None else fit_temperature(held_out)
    scaled = None
    if temperature is not None:
        scaled = bin_confidence(predictions.confidence_at(temperature), correct=correct)
    edges = np.linspace(0, 1, NUM_HISTOGRAM_BINS + 1)
    return {
        "right": float(confidence[correct].mean()) if correct.any() else None,
        "wrong": float(confidence[~correct].mean()) if not correct.all() else None,
        "errors": int((~correct).sum()),
        f"errors_above_{SURE}": int((confidence[~correct] > SURE).sum()),
        "ece": expected_calibration_error(bins),
        "ece_scaled": scaled and expected_calibration_error(scaled),
        "temperature": temperature,
        "temperature_at_limit": temperature and temperature in TEMPERATURES,
        "bins": [asdict(one) for one in bins],
        "bins_scaled": scaled and [asdict(one) for one in scaled],
        "histogram": {
            "edges": edges.tolist(),
            "right": np.histogram(np.minimum(confidence[correct], 1.0), edges)[0].tolist(),
            "wrong": np.histogram(np.minimum(confidence[~correct], 1.0), edges)[0].tolist(),
        },
    }

"""The record of a failure analysis, and its summary in ``metrics.json`` and in the result table."""

from collections.abc import Mapping
from typing import Any

from compression.analysis.failure_modes import Groups, combine_failure_modes, describe_change, describe_failures
from compression.analysis.predictions import Predictions
from compression.reporting.layer_comparison import worst_layers

# Classes named in a summary: those that lost most.
_NUM_CLASSES = 3


def make_failure_record(
    test: Mapping[str, Predictions],
    *,
    held_out: Mapping[str, Predictions] | None = None,
    groups: Groups | None = None,
    layers: list[dict[str, Any]] | None = None,
    robustness: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the document of ``failure_modes.json`` for one model, or for two: dense, then compressed.

    ``test`` and ``held_out`` have the predictions of each model by name; held-out images fit the temperature.
    """
    models = {
        name: describe_failures(one, groups=groups, held_out=(held_out or {}).get(name)) for name, one in test.items()
    }
    first, *others = test.values()
    change = describe_change(first, others[0], groups=groups) if others else None
    return combine_failure_modes(first.class_names, models=models, change=change, layers=layers, robustness=robustness)


def summarize_failures(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the summary for ``metrics.json``: each model by name, ``change``, and the worst ``layers``."""
    change = record["change"]
    return {
        **{name: _summarize_model(model) for name, model in record["models"].items()},
        "change": change
        and {
            **{key: change[key] for key in ("accuracy", "p_value", "worsened", "improved", "verdict")},
            "classes": [one for one in change["classes"] if one["change"] < 0][:_NUM_CLASSES],
        },
        "layers": worst_layers(record["layers"]),
        "robustness": record["robustness"] is not None,
    }


def _summarize_model(model: Mapping[str, Any]) -> dict[str, Any]:
    confidence = model["confidence"]
    kept = ("accuracy", "balanced_accuracy", "macro_f1", "best_class", "worst_class")
    calibration = ("errors_above_0.9", "ece", "ece_scaled", "temperature")
    return {**{key: model[key] for key in kept}, **{key: confidence[key] for key in calibration}}
